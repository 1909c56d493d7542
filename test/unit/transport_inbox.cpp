// The ring of datagrams, filled over the loopback.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "influx/transport/inbox.h"
#include "transport_testing.h"

namespace influx::transport {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
constexpr std::size_t kLargestPayload = 65'507;  // of UDP over IPv4

/// Sends to one socket. It is a bound socket itself, so that it has an address to be known by.
class Sender {
 public:
  explicit Sender(const UdpSocket& to, const char* host = "127.0.0.1")
      : socket_(bound_alone(host)) {
    const Endpoint& peer = to.endpoint();
    if (connect(socket_.descriptor(), reinterpret_cast<const sockaddr*>(&peer.address),
                peer.length) != 0) {
      throw std::runtime_error("connect");
    }
  }
  void send(std::string_view payload) const {
    ASSERT_TRUE(eventually([&] {
      return ::send(socket_.descriptor(), payload.data(), payload.size(), 0) ==
             static_cast<ssize_t>(payload.size());
    }));
  }
  const Endpoint& endpoint() const { return socket_.endpoint(); }

 private:
  UdpSocket socket_;
};

/// Whether a datagram waits in the kernel; its size does not matter as long as it is not empty.
bool waits(const UdpSocket& socket) {
  int bytes = 0;
  return ioctl(socket.descriptor(), FIONREAD, &bytes) == 0 && bytes > 0;
}

/// Receives until the inbox was given `datagrams` in all.
bool receive_up_to(Inbox& inbox, std::span<const UdpSocket> sockets, std::uint64_t datagrams) {
  return eventually([&] {
    inbox.receive(sockets, kNoLimit);
    return inbox.counts().datagrams >= datagrams;
  });
}

/// The `number`th payload of a stream: begins with the number, and each byte depends on both.
std::string numbered(std::size_t number, std::size_t size) {
  std::string payload = std::to_string(number) + " ";
  while (payload.size() < size) {
    payload += static_cast<char>('a' + (payload.size() * 7 + number) % 26);
  }
  return payload;
}

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

SourceFilter filter_of(std::string_view list) {
  Failure failure;
  std::optional<SourceFilter> filter = SourceFilter::parse(list, failure);
  if (!filter) throw std::runtime_error(failure.reason);
  return std::move(*filter);
}

TEST(TransportInbox, NothingInNothingOut) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(2);
  Datagram datagram;
  EXPECT_EQ(0U, inbox.receive({}, kNoLimit));
  EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));
  EXPECT_EQ(0U, inbox.receive(sockets, 0));
  EXPECT_FALSE(inbox.next(datagram));
  inbox.rewind();
  inbox.release();
  EXPECT_FALSE(inbox.full());
  EXPECT_EQ(0U, inbox.unread_bytes());
  EXPECT_EQ(0U, inbox.unread_datagrams());
  EXPECT_EQ(0, inbox.oldest_unread_ns());
  EXPECT_EQ(0U, inbox.counts().datagrams);
  EXPECT_EQ(0U, inbox.counts().kernel_drops);
  EXPECT_EQ(0U, inbox.counts().filtered);
}

TEST(TransportInbox, ImpossibleSizeIsOutOfMemory) {
  EXPECT_THROW(Inbox inbox(kNoLimit), std::bad_alloc);
}

TEST(TransportInbox, LinesAreCountedAsTextIsReceivedAndRead) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  const std::vector<std::pair<std::string_view, std::size_t>> texts = {
      {"a v=1", 1}, {"a v=1\n", 1}, {"a v=1\na v=2", 2}, {"a v=1\n\n", 2}, {"\n", 1}, {"", 0}};
  std::size_t all = 0;
  for (const auto& [text, lines] : texts) {
    sender.send(std::string(text));
    all += lines;
  }
  ASSERT_TRUE(receive_up_to(inbox, sockets, texts.size()));
  EXPECT_EQ(all, inbox.unread_lines());
  Datagram datagram;
  for (const auto& [text, lines] : texts) {
    ASSERT_TRUE(inbox.next(datagram));
    EXPECT_EQ(text, datagram.payload);
    all -= lines;
    EXPECT_EQ(all, inbox.unread_lines());
  }
  inbox.rewind();
  EXPECT_EQ(7U, inbox.unread_lines());
}

TEST(TransportInbox, OneDatagramWithAllThatIsKnownOfIt) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(3);
  const Sender sender(sockets[2]);
  const std::int64_t before = now_ns();
  sender.send("cpu value=1");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 1));
  const std::int64_t after = now_ns();
  EXPECT_EQ(11U, inbox.unread_bytes());
  EXPECT_EQ(1U, inbox.unread_datagrams());
  const std::int64_t oldest = inbox.oldest_unread_ns();

  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("cpu value=1", datagram.payload);
  EXPECT_EQ(sender.endpoint(), datagram.sender);
  EXPECT_EQ(sender.endpoint().text(), datagram.sender.text());
  EXPECT_EQ(2, datagram.socket);
  EXPECT_EQ(oldest, datagram.received_ns);
  EXPECT_LE(before, datagram.received_ns);
  EXPECT_GE(after, datagram.received_ns);
  EXPECT_FALSE(inbox.next(datagram));
  EXPECT_EQ(0U, inbox.unread_bytes());
  EXPECT_EQ(0U, inbox.unread_datagrams());
  EXPECT_EQ(0, inbox.oldest_unread_ns());
}

TEST(TransportInbox, SenderOverV6) {
  Failure failure;
  const auto any = listen_endpoints("::1", 0, failure);
  std::vector<UdpSocket> sockets;
  if (auto socket = UdpSocket::bind(any.at(0), failure)) sockets.push_back(std::move(*socket));
  if (sockets.empty()) {
    EXPECT_NE(0, failure.error_number);  // a machine without IPv6 says so
    return;
  }
  Inbox inbox(0);
  ASSERT_TRUE(send_datagram({sockets[0].endpoint()}, "six", failure)) << failure.reason;
  ASSERT_TRUE(receive_up_to(inbox, sockets, 1));
  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("six", datagram.payload);
  EXPECT_EQ("[::1]:" + std::to_string(datagram.sender.port()), datagram.sender.text());
}

TEST(TransportInbox, EmptyAndLargestDatagram) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  const std::string largest = numbered(1, kLargestPayload);
  sender.send("");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 1));
  sender.send(largest);
  ASSERT_TRUE(receive_up_to(inbox, sockets, 2));
  sender.send("");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 3));
  EXPECT_EQ(kLargestPayload, inbox.unread_bytes());
  EXPECT_EQ(3U, inbox.unread_datagrams());

  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("", datagram.payload);
  EXPECT_EQ(sender.endpoint(), datagram.sender);
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_TRUE(largest == datagram.payload);
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("", datagram.payload);
  EXPECT_FALSE(inbox.next(datagram));
}

TEST(TransportInbox, LargerThanABufferIsCountedAndDropped) {
  // No UDP datagram is larger than a buffer, so another kind of socket takes the place.
  Inbox inbox(0);
  auto sockets = bound_sockets(1);
  std::array<int, 2> pair{};
  ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair.data()));
  ASSERT_EQ(sockets[0].descriptor(), dup2(pair[0], sockets[0].descriptor()));
  for (const std::size_t size : {std::size_t{5}, Inbox::kLargestDatagram + 1, std::size_t{7}}) {
    const std::string payload(size, 'x');
    ASSERT_EQ(static_cast<ssize_t>(size), send(pair[1], payload.data(), size, 0));
  }
  EXPECT_EQ(3U, inbox.receive(sockets, kNoLimit));
  EXPECT_EQ(1U, inbox.counts().truncated);
  EXPECT_EQ(0U, inbox.counts().filtered);
  EXPECT_EQ(2U, inbox.counts().datagrams);
  EXPECT_EQ(12U, inbox.counts().bytes);

  const std::string exact(Inbox::kLargestDatagram, 'y');
  ASSERT_EQ(static_cast<ssize_t>(exact.size()), send(pair[1], exact.data(), exact.size(), 0));
  EXPECT_EQ(1U, inbox.receive(sockets, kNoLimit));
  EXPECT_EQ(1U, inbox.counts().truncated);

  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("xxxxx", datagram.payload);
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("xxxxxxx", datagram.payload);
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_TRUE(exact == datagram.payload);

  // Such a socket gives no address of the sender: it is of no network.
  inbox.set_filter(filter_of("0.0.0.0/0, ::/0"));
  for (const std::size_t size : {std::size_t{5}, Inbox::kLargestDatagram + 1}) {
    const std::string payload(size, 'x');
    ASSERT_EQ(static_cast<ssize_t>(size), send(pair[1], payload.data(), size, 0));
  }
  EXPECT_EQ(2U, inbox.receive(sockets, kNoLimit));
  EXPECT_EQ(2U, inbox.counts().filtered);
  EXPECT_EQ(1U, inbox.counts().truncated);
  close(pair[0]);
  close(pair[1]);
}

TEST(TransportInbox, FilteredAreCountedAndDropped) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender near(sockets[0]);
  const Sender far(sockets[0], "127.0.0.2");
  near.send("near 1");
  far.send("far 1");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 2));

  inbox.set_filter(filter_of("127.0.0.2, ::1"));
  near.send("near 2");
  far.send("far 2");
  near.send("near 3");
  std::size_t taken = 0;
  ASSERT_TRUE(eventually([&] {
    taken += inbox.receive(sockets, kNoLimit);
    return taken == 3;
  }));
  EXPECT_EQ(2U, inbox.counts().filtered);
  EXPECT_EQ(3U, inbox.counts().datagrams);
  EXPECT_EQ(6U + 5U + 5U, inbox.counts().bytes);

  inbox.set_filter({});
  near.send("near 4");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 4));
  EXPECT_EQ(2U, inbox.counts().filtered);

  std::vector<std::string> payloads;
  for (Datagram datagram; inbox.next(datagram);)
    payloads.emplace_back(datagram.payload);
  EXPECT_EQ((std::vector<std::string>{"near 1", "far 1", "far 2", "near 4"}), payloads);
}

TEST(TransportInbox, OrderIsKeptOverManyLaps) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  // Sizes without a pattern, so that the end of a lap is met in all ways. Few at a time are on
  // their way, so that the smallest socket buffer of any system holds them.
  std::uint32_t random = 1;
  const auto draw = [&random](std::uint32_t below) {
    random = random * 1'664'525 + 1'013'904'223;
    return (random >> 8U) % below;
  };
  std::vector<std::size_t> sizes;
  std::size_t read = 0;
  std::uint64_t bytes = 0;
  while (sizes.size() < 4'000) {
    if (!inbox.full()) {
      for (std::uint32_t burst = draw(8) + 1; burst > 0; --burst) {
        const std::string payload =
            numbered(sizes.size(), draw(50) == 0 ? kLargestPayload : draw(3'000));
        sender.send(payload);
        sizes.push_back(payload.size());
        bytes += payload.size();
        // Near its end the ring takes what is certain to fit.
        ASSERT_TRUE(eventually([&] {
          inbox.receive(sockets, kNoLimit);
          return inbox.counts().datagrams == sizes.size() || inbox.full();
        }));
        if (inbox.full()) break;
      }
    }
    for (std::uint32_t take = draw(10); take > 0; --take) {
      Datagram datagram;
      if (!inbox.next(datagram)) break;
      ASSERT_TRUE(numbered(read, sizes[read]) == datagram.payload) << read;
      ++read;
    }
    if (inbox.full() || draw(3) == 0) inbox.release();
  }
  while (read < sizes.size()) {
    inbox.release();
    ASSERT_TRUE(eventually([&] {
      inbox.receive(sockets, kNoLimit);
      return inbox.unread_datagrams() > 0;
    }));
    for (Datagram datagram; inbox.next(datagram); ++read) {
      ASSERT_TRUE(numbered(read, sizes[read]) == datagram.payload) << read;
    }
  }
  EXPECT_EQ(sizes.size(), inbox.counts().datagrams);
  EXPECT_EQ(bytes, inbox.counts().bytes);
  EXPECT_EQ(0U, inbox.counts().kernel_drops);
  EXPECT_EQ(0U, inbox.unread_bytes());
}

/// Fills `inbox` with datagrams of `size` bytes; returns how many there are.
std::size_t fill(Inbox& inbox, std::span<const UdpSocket> sockets, const Sender& sender,
                 std::size_t size) {
  std::size_t count = 0;
  while (!inbox.full()) {
    sender.send(numbered(count++, size));
    EXPECT_TRUE(receive_up_to(inbox, sockets, count));
  }
  return count;
}

TEST(TransportInbox, FullRingLeavesTheRestWithTheKernel) {
  constexpr std::size_t kCapacity = 1'000'000;
  for (const std::size_t size : {std::size_t{20}, std::size_t{1'000}, kLargestPayload}) {
    Inbox inbox(kCapacity);
    const auto sockets = bound_sockets(1);
    const Sender sender(sockets[0]);
    const std::size_t held = fill(inbox, sockets, sender, size);
    // Full is full: all but a datagram of the largest size, whatever the sizes of those inside.
    EXPECT_GE(held * (size + 64), kCapacity - 2 * Inbox::kLargestDatagram);
    EXPECT_LE(held * size, kCapacity);

    sender.send(numbered(held, 10));
    sender.send(numbered(held + 1, 10));
    ASSERT_TRUE(eventually([&] { return waits(sockets[0]); }));
    EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));
    EXPECT_EQ(held, inbox.counts().datagrams);
    EXPECT_TRUE(waits(sockets[0]));

    // Reading alone frees nothing.
    Datagram datagram;
    for (std::size_t i = 0; i < held; ++i) {
      ASSERT_TRUE(inbox.next(datagram));
      ASSERT_TRUE(numbered(i, size) == datagram.payload) << i;
    }
    EXPECT_FALSE(inbox.next(datagram));
    EXPECT_TRUE(inbox.full());
    EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));

    inbox.release();
    EXPECT_FALSE(inbox.full());
    ASSERT_TRUE(receive_up_to(inbox, sockets, held + 2));
    ASSERT_TRUE(inbox.next(datagram));
    EXPECT_EQ(numbered(held, 10), datagram.payload);
    ASSERT_TRUE(inbox.next(datagram));
    EXPECT_EQ(numbered(held + 1, 10), datagram.payload);
    EXPECT_EQ(0U, inbox.counts().kernel_drops);
  }
}

TEST(TransportInbox, RingIsUsedWellWhereItGoesRound) {
  // With its beginning released and its end in use, the ring fills up all the same.
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  const std::size_t held = fill(inbox, sockets, sender, 1'000);
  Datagram datagram;
  for (std::size_t i = 0; i < held / 2; ++i)
    ASSERT_TRUE(inbox.next(datagram));
  inbox.release();
  ASSERT_FALSE(inbox.full());

  std::size_t count = held;
  while (!inbox.full()) {
    sender.send(numbered(count++, 1'000));
    ASSERT_TRUE(receive_up_to(inbox, sockets, count));
  }
  EXPECT_GE((count - held / 2) * 1'056, 2 * Inbox::kLargestDatagram);
  for (std::size_t i = held / 2; i < count; ++i) {
    ASSERT_TRUE(inbox.next(datagram));
    ASSERT_TRUE(numbered(i, 1'000) == datagram.payload) << i;
  }
  EXPECT_FALSE(inbox.next(datagram));
}

TEST(TransportInbox, CapacityIsAtLeastFourOfTheLargest) {
  Inbox inbox(1);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  EXPECT_EQ(4U, fill(inbox, sockets, sender, kLargestPayload));
}

TEST(TransportInbox, MostIsKept) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(2);
  const Sender first(sockets[0]);
  const Sender second(sockets[1]);
  for (int i = 0; i < 5; ++i) {
    first.send("a");
    second.send("b");
  }
  ASSERT_TRUE(eventually([&] { return waits(sockets[0]) && waits(sockets[1]); }));
  EXPECT_EQ(0U, inbox.receive(sockets, 0));
  std::size_t taken = 0;
  ASSERT_TRUE(eventually([&] {
    const std::size_t now = inbox.receive(sockets, 3);
    EXPECT_LE(now, 3U);
    taken += now;
    return taken == 10;
  }));
  EXPECT_EQ(10U, inbox.counts().datagrams);
}

TEST(TransportInbox, SocketsAreServedInTurn) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(3);
  const Sender busy(sockets[0]);
  const Sender quiet(sockets[2]);
  for (int i = 0; i < 100; ++i)
    busy.send("busy");
  quiet.send("quiet");
  ASSERT_TRUE(eventually([&] { return waits(sockets[0]) && waits(sockets[2]); }));
  // However few are taken at a time, the quiet one need not wait for the end of the busy one.
  std::size_t before_quiet = 0;
  bool found = false;
  for (int call = 0; call < 3 && !found; ++call) {
    inbox.receive(sockets, 1);
    for (Datagram datagram; inbox.next(datagram);) {
      found = found || datagram.payload == "quiet";
      before_quiet += datagram.payload == "busy" ? 1 : 0;
    }
  }
  EXPECT_TRUE(found);
  EXPECT_LE(before_quiet, 2U);
  ASSERT_TRUE(receive_up_to(inbox, sockets, 101));
}

TEST(TransportInbox, RewindAndRelease) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  for (std::size_t i = 0; i < 5; ++i)
    sender.send(numbered(i, 10 * i));
  ASSERT_TRUE(receive_up_to(inbox, sockets, 5));
  const std::size_t all = inbox.unread_bytes();

  const auto expect_next = [&inbox](std::size_t number) {
    Datagram datagram;
    ASSERT_TRUE(inbox.next(datagram));
    EXPECT_EQ(numbered(number, 10 * number), datagram.payload);
  };
  expect_next(0);
  expect_next(1);
  EXPECT_EQ(3U, inbox.unread_datagrams());
  inbox.rewind();
  EXPECT_EQ(5U, inbox.unread_datagrams());
  EXPECT_EQ(all, inbox.unread_bytes());
  EXPECT_NE(0, inbox.oldest_unread_ns());

  expect_next(0);
  expect_next(1);
  inbox.release();
  expect_next(2);
  inbox.rewind();
  inbox.rewind();
  EXPECT_EQ(3U, inbox.unread_datagrams());
  EXPECT_EQ(all - numbered(0, 0).size() - numbered(1, 10).size(), inbox.unread_bytes());
  expect_next(2);
  expect_next(3);
  expect_next(4);
  Datagram datagram;
  EXPECT_FALSE(inbox.next(datagram));
  EXPECT_EQ(0U, inbox.unread_datagrams());
  EXPECT_EQ(0U, inbox.unread_bytes());

  inbox.release();
  inbox.rewind();
  EXPECT_FALSE(inbox.next(datagram));
  EXPECT_EQ(5U, inbox.counts().datagrams);
}

TEST(TransportInbox, RewindOverTheEndOfALap) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  std::size_t count = fill(inbox, sockets, sender, 30'000);
  Datagram datagram;
  for (std::size_t i = 0; i + 1 < count; ++i)
    ASSERT_TRUE(inbox.next(datagram));
  inbox.release();
  const std::size_t first = count - 1;
  while (count < first + 4) {
    sender.send(numbered(count++, 30'000));
    ASSERT_TRUE(receive_up_to(inbox, sockets, count));
  }
  for (int pass = 0; pass < 3; ++pass) {
    EXPECT_EQ(4U, inbox.unread_datagrams());
    for (std::size_t i = first; i < count; ++i) {
      EXPECT_NE(0, inbox.oldest_unread_ns());
      ASSERT_TRUE(inbox.next(datagram));
      ASSERT_TRUE(numbered(i, 30'000) == datagram.payload) << i;
    }
    inbox.rewind();
  }
}

TEST(TransportInbox, EmptyRingStartsOver) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  const char* beginning = nullptr;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    sender.send(numbered(i, 50'000));
    ASSERT_TRUE(receive_up_to(inbox, sockets, i));
    Datagram datagram;
    ASSERT_TRUE(inbox.next(datagram));
    if (beginning == nullptr) beginning = datagram.payload.data();
    EXPECT_EQ(beginning, datagram.payload.data());
    inbox.release();
  }
}

/// Sends `count` datagrams that nobody reads in between, and then receives until all of them are
/// accounted for. Returns the number sent.
std::uint64_t flood(Inbox& inbox, std::span<const UdpSocket> sockets, std::size_t to, int count) {
  const ReceiveCounts before = inbox.counts();
  const Sender sender(sockets[to]);
  std::uint64_t sent = 0;
  for (; sent < static_cast<std::uint64_t>(count); ++sent)
    sender.send(std::string(1'000, 'x'));
  const auto accounted_for = [&] {
    inbox.receive(sockets, kNoLimit);
    for (Datagram datagram; inbox.next(datagram);)
      inbox.release();
    const ReceiveCounts now = inbox.counts();
    return now.datagrams - before.datagrams + now.kernel_drops - before.kernel_drops == sent;
  };
  EXPECT_TRUE(eventually(accounted_for))
      << sent << " sent, " << inbox.counts().datagrams - before.datagrams << " received, "
      << inbox.counts().kernel_drops - before.kernel_drops << " dropped";
  return sent;
}

TEST(TransportInbox, KernelDropsAreCounted) {
  Inbox inbox(0);
  auto sockets = bound_sockets(2);
  for (UdpSocket& socket : sockets)
    socket.set_read_buffer(4'096);

  std::uint64_t sent = flood(inbox, sockets, 0, 300);
  const std::uint64_t first = inbox.counts().kernel_drops;
  EXPECT_GT(first, 200U);
  // The count of the kernel goes on; only what is new is added.
  sent += flood(inbox, sockets, 0, 300);
  const std::uint64_t second = inbox.counts().kernel_drops;
  EXPECT_GT(second, first + 200);
  // Each socket has a count of its own.
  sent += flood(inbox, sockets, 1, 300);
  const std::uint64_t third = inbox.counts().kernel_drops;
  EXPECT_GT(third, second + 200);

  // The count moves with its socket to another place.
  std::swap(sockets[0], sockets[1]);
  sent += flood(inbox, sockets, 1, 20);
  sent += flood(inbox, std::span(sockets).first(1), 0, 20);

  // A new socket starts at 0, even where it gets the descriptor of an old one.
  sockets.pop_back();
  sockets.push_back(bound_alone());
  sockets[1].set_read_buffer(4'096);
  const std::uint64_t before = inbox.counts().kernel_drops;
  sent += flood(inbox, sockets, 1, 300);
  EXPECT_GT(inbox.counts().kernel_drops, before + 200);

  EXPECT_EQ(sent, inbox.counts().datagrams + inbox.counts().kernel_drops);
}

TEST(TransportInbox, DropsAreNotedWithoutReceiving) {
  Inbox inbox(0);
  auto sockets = bound_sockets(1);
  sockets[0].set_read_buffer(4'096);
  constexpr std::uint64_t kSent = 300;
  {
    const Sender sender(sockets[0]);
    for (std::uint64_t i = 0; i < kSent; ++i)
      sender.send(std::string(1'000, 'x'));
  }
  // What the buffer holds is counted by the test, past the inbox.
  std::uint64_t held = 0;
  char byte = 0;
  const auto accounted_for = [&] {
    while (recv(sockets[0].descriptor(), &byte, 1, MSG_DONTWAIT) >= 0)
      ++held;
    inbox.note_drops(sockets);
    return held + inbox.counts().kernel_drops == kSent;
  };
  EXPECT_TRUE(eventually(accounted_for))
      << held << " held, " << inbox.counts().kernel_drops << " dropped";
  EXPECT_GT(inbox.counts().kernel_drops, 200U);
  EXPECT_EQ(0U, inbox.counts().datagrams);

  // The count outlives its socket, and nothing is counted twice.
  const std::uint64_t drops = inbox.counts().kernel_drops;
  inbox.note_drops(sockets);
  sockets.clear();
  inbox.note_drops(sockets);
  sockets.push_back(bound_alone());
  inbox.note_drops(sockets);
  EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));
  EXPECT_EQ(drops, inbox.counts().kernel_drops);
}

TEST(TransportInbox, DropsAreNotedWhileTheRingIsFull) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  const Sender sender(sockets[0]);
  fill(inbox, sockets, sender, kLargestPayload);
  ASSERT_EQ(0U, inbox.counts().kernel_drops);
  // However large the buffer is: it is full at some time, and nobody empties it.
  EXPECT_TRUE(eventually([&] {
    sender.send(std::string(kLargestPayload, 'x'));
    EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));
    return inbox.counts().kernel_drops > 0;
  }));
}

TEST(TransportInbox, BrokenSocketStopsNobody) {
  Inbox inbox(0);
  auto sockets = bound_sockets(2);
  const Sender sender(sockets[1]);
  // The first socket is no socket any more: each call on it fails.
  std::array<int, 2> ends{};
  ASSERT_EQ(0, pipe(ends.data()));
  ASSERT_EQ(sockets[0].descriptor(), dup2(ends[0], sockets[0].descriptor()));
  EXPECT_EQ(0U, inbox.receive(std::span(sockets).first(1), kNoLimit));
  EXPECT_FALSE(sockets[0].tells_drops());
  EXPECT_EQ(0U, inbox.counts().kernel_drops);
  sender.send("x");
  ASSERT_TRUE(receive_up_to(inbox, sockets, 1));
  close(ends[0]);
  close(ends[1]);
}

TEST(TransportInbox, ErrorThatPassesLosesNothing) {
  Inbox inbox(0);
  const auto sockets = bound_sockets(1);
  // The socket speaks to a port where nobody listens, and is told so at its next call.
  std::optional<UdpSocket> peer = bound_alone();
  const Endpoint endpoint = peer->endpoint();
  const auto* address = reinterpret_cast<const sockaddr*>(&endpoint.address);
  ASSERT_EQ(0, connect(sockets[0].descriptor(), address, endpoint.length));
  ASSERT_EQ(0, connect(peer->descriptor(),
                       reinterpret_cast<const sockaddr*>(&sockets[0].endpoint().address),
                       sockets[0].endpoint().length));
  ASSERT_EQ(1, send(peer->descriptor(), "1", 1, 0));
  peer.reset();
  send(sockets[0].descriptor(), "x", 1, 0);
  ASSERT_TRUE(receive_up_to(inbox, sockets, 1));
  EXPECT_EQ(0U, inbox.receive(sockets, kNoLimit));
}

}  // namespace
}  // namespace influx::transport
