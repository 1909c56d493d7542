// The ring of datagrams against a queue, with datagrams of any size over the loopback. The input is
// a program: each step is a byte that tells what to do and two that tell how much.

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "fuzz/check.h"
#include "influx/transport/inbox.h"
#include "unit/transport_testing.h"

namespace influx::fuzz {
namespace {

using namespace transport;

constexpr std::size_t kSockets = 2;
constexpr std::size_t kLargestPayload = 65'507;  // of UDP over IPv4

std::size_t lines_of(const std::string& text) {
  std::size_t lines = 0;
  for (std::size_t start = 0; start < text.size(); ++lines)
    start = std::min(text.find('\n', start), text.size() - 1) + 1;
  return lines;
}

/// Two sockets and one that sends to both; kept from input to input, and empty at the end of each.
struct Loopback {
  std::vector<UdpSocket> sockets = bound_sockets(kSockets);
  UdpSocket sender = bound_alone();
};

class Run {
 public:
  explicit Run(Loopback& loopback) : loopback_(loopback), inbox_(0) {}

  ~Run() {
    // What still waits in the kernel would come to the next input.
    while (waiting() > 0) {
      read(inbox_.unread_datagrams());
      release();
      receive(waiting());
    }
    read(inbox_.unread_datagrams());
  }

  void step(std::uint8_t what, std::size_t much) {
    switch (what % 8) {
      case 0:
      case 1:
        return send(what / 8 % kSockets, much % 512);
      case 2:
        return send(what / 8 % kSockets, kLargestPayload - much % 4096);
      case 3:
        return send(what / 8 % kSockets, much % (kLargestPayload + 1));
      case 4:
        return receive(much % 100);
      case 5:
        return read(much % 100);
      case 6:
        return what / 8 % 4 == 0 ? rewind() : read(1);
      default:
        return release();
    }
  }

 private:
  /// Datagrams in the kernel.
  std::size_t waiting() const { return sent_ - received_; }

  // No more than the smallest of the kernel's buffers holds: it counts its own overhead, and may
  // round up to twice the size. Which socket has been read is not known until the datagrams are.
  void send(std::size_t to, std::size_t size) {
    constexpr std::size_t kMostHeld = 150'000;
    if (waiting() == 0) held_ = 0;
    if (held_ + 2048 + 2 * size > kMostHeld) return;
    held_ += 2048 + 2 * size;
    std::string payload(size, static_cast<char>('a' + sent_ % 26));
    for (std::size_t i = sent_ % 7; i < size; i += 1 + sent_ % 97)
      payload[i] = '\n';
    const Endpoint& endpoint = loopback_.sockets[to].endpoint();
    const ssize_t count =
        sendto(loopback_.sender.descriptor(), payload.data(), size, 0,
               reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length);
    check(count == static_cast<ssize_t>(size), "a datagram is sent");
    ++sent_;
    to_come_[to].push_back(std::move(payload));
  }

  // The kernel may put the delivery off a little, so what was sent is waited for.
  void receive(std::size_t most) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(8);
    most = std::min(most, waiting());
    while (most > 0 && !inbox_.full()) {
      const std::size_t taken = inbox_.receive(loopback_.sockets, most);
      check(taken <= most, "no more is taken than was asked for");
      most -= taken;
      received_ += taken;
      check(std::chrono::steady_clock::now() < deadline, "what was sent is received");
      if (taken == 0) std::this_thread::yield();
    }
    check_counts();
  }

  void read(std::size_t most) {
    Datagram datagram;
    for (; most > 0 && inbox_.unread_datagrams() > 0; --most) {
      const std::int64_t oldest = inbox_.oldest_unread_ns();
      check(inbox_.next(datagram), "what is counted can be read");
      check(datagram.received_ns == oldest, "the oldest is read first");
      check(datagram.socket < kSockets, "a datagram has a socket");
      if (read_ == ring_.size()) {
        std::deque<std::string>& to_come = to_come_[datagram.socket];
        check(!to_come.empty(), "what is read was sent");
        ring_.emplace_back(datagram.socket, std::move(to_come.front()));
        to_come.pop_front();
      }
      const auto& [socket, payload] = ring_[read_++];
      check(datagram.socket == socket && datagram.payload == payload,
            "a datagram is as it was sent");
      check(datagram.sender.port() == loopback_.sender.endpoint().port(), "its sender is known");
    }
    if (most > 0) check(!inbox_.next(datagram), "what is not counted cannot be read");
    check_counts();
  }

  void rewind() {
    inbox_.rewind();
    read_ = 0;
    check_counts();
  }

  void release() {
    inbox_.release();
    released_ += read_;
    ring_.erase(ring_.begin(), ring_.begin() + static_cast<long>(read_));
    read_ = 0;
    check_counts();
  }

  void check_counts() const {
    const ReceiveCounts counts = inbox_.counts();
    check(counts.datagrams == received_ && counts.truncated == 0 && counts.kernel_drops == 0,
          "the datagrams are counted");
    check(inbox_.unread_datagrams() == received_ - released_ - read_, "so are those to be read");
    check((inbox_.oldest_unread_ns() == 0) == (inbox_.unread_datagrams() == 0),
          "the oldest has a time");
    // Those that were read before, and not released: known in full.
    if (inbox_.unread_datagrams() != ring_.size() - read_) return;
    std::size_t bytes = 0;
    std::size_t lines = 0;
    for (std::size_t i = read_; i < ring_.size(); ++i) {
      bytes += ring_[i].second.size();
      lines += lines_of(ring_[i].second);
    }
    check(inbox_.unread_bytes() == bytes, "and their bytes");
    check(inbox_.unread_lines() == lines, "and their lines");
  }

  Loopback& loopback_;
  Inbox inbox_;
  std::deque<std::string> to_come_[kSockets];             // by socket: sent, and never read so far
  std::deque<std::pair<std::size_t, std::string>> ring_;  // read once or more, not released
  std::size_t read_ = 0;  // how many of ring_ are in front of the reading position
  std::size_t held_ = 0;  // bytes of kernel memory, at most, since it had no datagram
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  std::size_t released_ = 0;
};

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  static auto* const loopback = new Loopback;
  Run run(*loopback);
  for (std::size_t i = 0; i + 2 < size && i < 1536; i += 3)
    run.step(data[i], data[i + 1] * std::size_t{256} + data[i + 2]);
  return 0;
}
