// The thread that receives while its owner is busy.

#include <dirent.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "influx/transport/catcher.h"
#include "transport_testing.h"

namespace influx::transport {
namespace {

constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

void send_to(const UdpSocket& socket, std::string_view payload) {
  Failure failure;
  ASSERT_TRUE(send_datagram({socket.endpoint()}, payload, failure)) << failure.reason;
}

bool waits(const UdpSocket& socket) {
  int bytes = 0;
  return ioctl(socket.descriptor(), FIONREAD, &bytes) == 0 && bytes > 0;
}

/// The threads of this process, by the numbers of the kernel.
std::set<std::string> threads() {
  std::set<std::string> numbers;
  DIR* directory = opendir("/proc/self/task");
  if (directory == nullptr) throw std::runtime_error("/proc");
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') numbers.insert(entry->d_name);
  }
  closedir(directory);
  return numbers;
}

/// The threads before a test makes any. A checker that is built in may start one of its own
/// together with the first of the program; it is made to do so here.
std::set<std::string> threads_before() {
  std::thread([] {}).join();
  return threads();
}

/// The threads that came since `before`.
std::vector<std::string> new_threads(const std::set<std::string>& before) {
  std::vector<std::string> numbers;
  std::ranges::set_difference(threads(), before, std::back_inserter(numbers));
  return numbers;
}

/// A line of the status of a thread; empty where the thread has gone.
std::string status(const std::string& thread, const std::string& name) {
  std::ifstream file("/proc/self/task/" + thread + "/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return {};
}

/// How often a thread went to sleep; -1 where the thread has gone.
long switches(const std::string& thread) {
  const std::string count = status(thread, "voluntary_ctxt_switches");
  return count.empty() ? -1 : std::stol(count);
}

TEST(TransportCatcher, NoThreadBeforeTheFirstResume) {
  const auto before = threads_before();
  Inbox inbox(0);
  {
    Catcher catcher(inbox);
    catcher.pause();
    catcher.stop();
    EXPECT_TRUE(new_threads(before).empty());
  }
  EXPECT_TRUE(new_threads(before).empty());
}

TEST(TransportCatcher, OneThreadUntilStop) {
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  const auto before = threads_before();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(catcher.resume(sockets));
    EXPECT_EQ(1U, new_threads(before).size());
    ASSERT_TRUE(catcher.resume(sockets));
    catcher.pause();
    catcher.pause();
    EXPECT_EQ(1U, new_threads(before).size());
  }
  catcher.stop();
  catcher.stop();
  catcher.pause();
  // A thread that was joined may be listed for a moment more.
  EXPECT_TRUE(eventually([&] { return new_threads(before).empty(); }));

  ASSERT_TRUE(catcher.resume(sockets));
  EXPECT_EQ(1U, new_threads(before).size());
  send_to(sockets[0], "x");
  EXPECT_TRUE(eventually([&] { return inbox.counts().datagrams == 1; }));
}

TEST(TransportCatcher, DestructorEndsTheThread) {
  const auto sockets = bound_sockets(1);
  const auto before = threads_before();
  Inbox inbox(0);
  { EXPECT_TRUE(Catcher(inbox).resume(sockets)); }
  EXPECT_TRUE(eventually([&] { return new_threads(before).empty(); }));
}

TEST(TransportCatcher, AllSignalsAreBlockedInTheThread) {
  sigset_t mine;
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &mine));
  const auto before = threads_before();
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  ASSERT_TRUE(catcher.resume(sockets));
  // The C library blocks signals itself while it starts a thread; what counts is the time after.
  send_to(sockets[0], "x");
  ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == 1; }));

  const auto started = new_threads(before);
  ASSERT_EQ(1U, started.size());
  const std::string text = status(started[0], "SigBlk");
  ASSERT_FALSE(text.empty());
  const std::uint64_t blocked = std::stoull(text, nullptr, 16);
  for (int signal = 1; signal < 32; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    EXPECT_NE(0U, blocked >> static_cast<unsigned>(signal - 1) & 1U) << signal;
  }

  sigset_t now;
  ASSERT_EQ(0, pthread_sigmask(SIG_SETMASK, nullptr, &now));
  for (int signal = 1; signal < 32; ++signal) {
    EXPECT_EQ(sigismember(&mine, signal), sigismember(&now, signal)) << signal;
  }
}

TEST(TransportCatcher, MovesDatagramsInOrderWhileTheOwnerDoesNot) {
  const auto sockets = bound_sockets(2);
  Inbox inbox(0);
  Catcher catcher(inbox);
  ASSERT_TRUE(catcher.resume(sockets));
  constexpr std::uint64_t kCount = 500;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    send_to(sockets[i % 2], std::to_string(i));
    // The order between sockets is that of arrival only as far as they are read one after another.
    if (i % 10 == 9) {
      ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == i + 1; }));
    }
  }
  EXPECT_EQ(kCount, inbox.unread_datagrams());
  std::vector<std::uint64_t> next{0, 1};
  std::int64_t time = 0;
  for (Datagram datagram; inbox.next(datagram);) {
    EXPECT_EQ(std::to_string(next.at(datagram.socket)), datagram.payload);
    next.at(datagram.socket) += 2;
    EXPECT_LE(time, datagram.received_ns);
    time = datagram.received_ns;
  }
  EXPECT_EQ((std::vector<std::uint64_t>{kCount, kCount + 1}), next);
}

TEST(TransportCatcher, OwnerAndThreadReceiveTogether) {
  auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  std::uint64_t sent = 0;
  std::uint64_t read = 0;
  while (sent < 5'000) {
    ASSERT_TRUE(catcher.resume(sockets));
    for (int i = 0; i < 50; ++i) {
      send_to(sockets[0], std::to_string(sent) + " " + std::string(sent % 700, 'x'));
      ++sent;
      if (i % 5 == 0) inbox.receive(sockets, 8);
      for (Datagram datagram; inbox.next(datagram); ++read) {
        ASSERT_TRUE(datagram.payload.starts_with(std::to_string(read) + " ")) << read;
        inbox.full();
        inbox.unread_bytes();
        inbox.oldest_unread_ns();
      }
      if (i % 3 == 0) inbox.release();
    }
    if (sent % 100 == 0) catcher.pause();
    // No more on the way than any socket buffer holds.
    ASSERT_TRUE(eventually([&] {
      inbox.receive(sockets, kNoLimit);
      return inbox.counts().datagrams == sent;
    }));
  }
  catcher.stop();
  for (Datagram datagram; inbox.next(datagram); ++read) {
    ASSERT_TRUE(datagram.payload.starts_with(std::to_string(read) + " ")) << read;
  }
  EXPECT_EQ(sent, read);
  EXPECT_EQ(0U, inbox.unread_bytes());
}

TEST(TransportCatcher, PauseIsEffective) {
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  std::uint64_t count = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(catcher.resume(sockets));
    send_to(sockets[0], "taken");
    ++count;
    ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == count; }));
    catcher.pause();
    send_to(sockets[0], "left");
    ASSERT_TRUE(eventually([&] { return waits(sockets[0]); }));
    // Time for a thread that should not do so to take it.
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    EXPECT_TRUE(waits(sockets[0]));
    EXPECT_EQ(count, inbox.counts().datagrams);
    EXPECT_EQ(1U, inbox.receive(sockets, kNoLimit));
    ++count;
  }
}

TEST(TransportCatcher, SocketsMayBeReplacedWhilePaused) {
  Inbox inbox(0);
  Catcher catcher(inbox);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < 300; ++i) {
    const auto sockets = bound_sockets(i % 3 + 1);
    ASSERT_TRUE(catcher.resume(sockets));
    if (i % 10 == 0) {
      send_to(sockets.back(), "x");
      ++count;
      ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == count; }));
    }
    if (i % 50 == 49) {
      catcher.stop();
    } else {
      catcher.pause();
    }
  }
}

TEST(TransportCatcher, ResumeWithOtherSocketsLetsTheFirstGo) {
  const auto first = bound_sockets(1);
  const auto second = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  ASSERT_TRUE(catcher.resume(first));
  ASSERT_TRUE(catcher.resume(second));
  send_to(first[0], "left");
  send_to(second[0], "taken");
  ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == 1 && waits(first[0]); }));
  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("taken", datagram.payload);
}

TEST(TransportCatcher, FilterAndDropsWhileItReceives) {
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  ASSERT_TRUE(catcher.resume(sockets));
  for (std::uint64_t i = 0; i < 200; ++i) {
    // Everybody's in one round, nobody's of this machine in the next.
    Failure failure;
    const std::optional<SourceFilter> filter =
        SourceFilter::parse(i % 2 == 0 ? "" : "192.0.2.0/24, 2001:db8::/32", failure);
    ASSERT_TRUE(filter.has_value());
    inbox.set_filter(*filter);
    send_to(sockets[0], "x");
    ASSERT_TRUE(eventually([&] {
      inbox.note_drops(sockets);
      return inbox.counts().datagrams + inbox.counts().filtered == i + 1;
    }));
    EXPECT_EQ(i / 2 + 1, inbox.counts().datagrams);
  }
  EXPECT_EQ(0U, inbox.counts().kernel_drops);
}

TEST(TransportCatcher, FullInboxIsLeftAloneUntilThereIsRoom) {
  const auto before = threads_before();
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  Catcher catcher(inbox);
  ASSERT_TRUE(catcher.resume(sockets));
  const std::string large(65'000, 'x');
  std::uint64_t sent = 0;
  while (!inbox.full()) {
    send_to(sockets[0], large);
    ++sent;
    ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == sent; }));
  }
  send_to(sockets[0], "waits");
  ASSERT_TRUE(eventually([&] { return waits(sockets[0]); }));

  // It does look again, which shows as sleeps, and it leaves the datagram alone.
  const auto started = new_threads(before);
  ASSERT_EQ(1U, started.size());
  const long sleeps = switches(started[0]);
  ASSERT_TRUE(eventually([&] { return switches(started[0]) > sleeps + 3; }));
  EXPECT_TRUE(waits(sockets[0]));
  EXPECT_EQ(sent, inbox.counts().datagrams);

  for (Datagram datagram; inbox.next(datagram);) {
  }
  inbox.release();
  EXPECT_TRUE(eventually([&] { return inbox.counts().datagrams == sent + 1; }));
  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ("waits", datagram.payload);
}

TEST(TransportCatcher, FullInboxDoesNotHoldUpPauseAndStop) {
  const auto sockets = bound_sockets(1);
  Inbox inbox(0);
  while (!inbox.full()) {
    send_to(sockets[0], std::string(65'000, 'x'));
    inbox.receive(sockets, kNoLimit);
  }
  send_to(sockets[0], "waits");
  Catcher catcher(inbox);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(catcher.resume(sockets));
    catcher.pause();
  }
  ASSERT_TRUE(catcher.resume(sockets));
  catcher.stop();
}

TEST(TransportCatcher, BoundOnTheNumberOfSockets) {
  const auto sockets = bound_sockets(Catcher::kMostSockets + 1);
  const auto before = threads_before();
  Inbox inbox(0);
  Catcher catcher(inbox);
  EXPECT_FALSE(catcher.resume(sockets));
  EXPECT_TRUE(new_threads(before).empty());

  const auto most = std::span(sockets).first(Catcher::kMostSockets);
  ASSERT_TRUE(catcher.resume(most));
  send_to(most.back(), "x");
  ASSERT_TRUE(eventually([&] { return inbox.counts().datagrams == 1; }));
  Datagram datagram;
  ASSERT_TRUE(inbox.next(datagram));
  EXPECT_EQ(Catcher::kMostSockets - 1, datagram.socket);

  // Refused while it was receiving: it receives no more.
  EXPECT_FALSE(catcher.resume(sockets));
  send_to(most.back(), "x");
  ASSERT_TRUE(eventually([&] { return waits(most.back()); }));
}

TEST(TransportCatcher, NoSockets) {
  Inbox inbox(0);
  Catcher catcher(inbox);
  EXPECT_TRUE(catcher.resume({}));
  catcher.pause();
  catcher.stop();
}

}  // namespace
}  // namespace influx::transport
