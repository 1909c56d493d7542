// Sockets given from one side to the other: whole, or not at all; and only to who is expected.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "influx/transport/handover.h"
#include "influx/transport/inbox.h"
#include "transport_testing.h"

namespace influx::transport {
namespace {

using Answer = Taker::Answer;

/// A place that no other test uses, nor one that runs beside.
std::string meeting() {
  static int count = 0;
  return (std::filesystem::temp_directory_path() /
          ("influx-unit-" + std::to_string(getpid()) + "-" + std::to_string(++count)))
      .string();
}

Giver giver_at(const std::string& path) {
  Failure failure;
  std::optional<Giver> giver = Giver::meet(path.c_str(), failure);
  if (!giver) throw std::runtime_error(failure.reason);
  return std::move(*giver);
}

Taker taker_at(const std::string& path) {
  Failure failure;
  std::optional<Taker> taker = Taker::come(path.c_str(), getpid(), failure);
  if (!taker) throw std::runtime_error(failure.reason);
  return std::move(*taker);
}

/// The address of a path, without the code under test.
sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

/// Both sides, which have met.
struct Pair {
  std::string path = meeting();
  Giver giver = giver_at(path);
  Taker taker = taker_at(path);

  Pair() {
    if (!giver.has_come(getpid())) throw std::runtime_error("did not come");
  }
};

std::size_t open_files() {
  const std::filesystem::directory_iterator files("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

void send(const UdpSocket& to, std::string_view text) {
  Failure failure;
  ASSERT_TRUE(send_datagram({to.endpoint()}, text, failure)) << failure.reason;
}

std::vector<std::string> received(Inbox& inbox, const std::vector<UdpSocket>& sockets) {
  inbox.receive(sockets, 1000);
  std::vector<std::string> texts;
  for (Datagram datagram; inbox.next(datagram);)
    texts.emplace_back(datagram.payload);
  inbox.release();
  return texts;
}

TEST(Handover, GivesSocketsWithWhatWaitsInThem) {
  Pair pair;
  std::vector<UdpSocket> sockets = bound_sockets(3);
  for (const UdpSocket& socket : sockets)
    send(socket, "a=" + socket.endpoint().text());
  Failure failure;
  ASSERT_TRUE(pair.giver.give(sockets, failure)) << failure.reason;
  std::vector<UdpSocket> taken;
  ASSERT_EQ(pair.taker.take(taken), Answer::kGiven);
  ASSERT_EQ(taken.size(), 3u);
  std::vector<std::string> expected;
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(taken[i].endpoint(), sockets[i].endpoint());
    EXPECT_NE(taken[i].descriptor(), sockets[i].descriptor());
    EXPECT_NE(fcntl(taken[i].descriptor(), F_GETFD) & FD_CLOEXEC, 0);
    expected.push_back("a=" + sockets[i].endpoint().text());
  }
  sockets.clear();  // the first side ends
  Inbox inbox(0);
  EXPECT_EQ(received(inbox, taken), expected);
  send(taken[1], "later");
  EXPECT_EQ(received(inbox, taken), std::vector<std::string>{"later"});
}

TEST(Handover, GivesAsManyAsAListenerCanHave) {
  Pair pair;
  const std::vector<UdpSocket> sockets = bound_sockets(Giver::kMostSockets);
  Failure failure;
  ASSERT_TRUE(pair.giver.give(sockets, failure)) << failure.reason;
  std::vector<UdpSocket> taken;
  ASSERT_EQ(pair.taker.take(taken), Answer::kGiven);
  ASSERT_EQ(taken.size(), sockets.size());
  EXPECT_EQ(taken.back().endpoint(), sockets.back().endpoint());
}

TEST(Handover, GivesNeitherNoneNorTooMany) {
  Pair pair;
  Failure failure;
  EXPECT_FALSE(pair.giver.give({}, failure));
  const std::vector<UdpSocket> sockets = bound_sockets(Giver::kMostSockets + 1);
  EXPECT_FALSE(pair.giver.give(sockets, failure));
  EXPECT_EQ(failure.error_number, EMSGSIZE);
  std::vector<UdpSocket> taken;
  EXPECT_EQ(pair.taker.take(taken), Answer::kNone);
}

/// Each drop is counted by one side: by the first one those that it has taken note of.
TEST(Handover, CountsDropsOnce) {
  Pair pair;
  std::vector<UdpSocket> sockets = bound_sockets(1);
  if (!sockets[0].tells_drops()) GTEST_SKIP() << "this kernel does not tell drops";
  sockets[0].set_read_buffer(1);
  const std::string text(1000, 'x');
  const auto overflow = [&] {
    for (int i = 0; i < 100; ++i)
      send(sockets[0], text);
  };
  overflow();
  Inbox first(0);
  first.note_drops(sockets);
  const std::uint64_t noted = first.counts().kernel_drops;
  ASSERT_GT(noted, 0u);
  overflow();
  Failure failure;
  ASSERT_TRUE(pair.giver.give(sockets, failure)) << failure.reason;
  std::vector<UdpSocket> taken;
  ASSERT_EQ(pair.taker.take(taken), Answer::kGiven);
  Inbox second(0);
  const std::size_t kept = received(second, taken).size();
  EXPECT_EQ(noted + second.counts().kernel_drops + kept, 200u);
}

TEST(Handover, ComesOnlyWhereTheExpectedProcessWaits) {
  const std::string path = meeting();
  Failure failure;
  EXPECT_FALSE(Taker::come(path.c_str(), getpid(), failure).has_value());
  EXPECT_EQ(failure.error_number, ENOENT);
  const Giver giver = giver_at(path);
  EXPECT_FALSE(Taker::come(path.c_str(), getppid(), failure).has_value());
  EXPECT_EQ(failure.error_number, EPERM);
}

TEST(Handover, LetsInTheExpectedProcessOnly) {
  const std::string path = meeting();
  Giver giver = giver_at(path);
  const Taker stranger = taker_at(path);
  EXPECT_FALSE(giver.has_come(getppid()));
  // It was sent away, and does not come back by being expected later.
  char byte = 0;
  EXPECT_EQ(recv(stranger.descriptor(), &byte, 1, MSG_DONTWAIT), 0);
  EXPECT_FALSE(giver.has_come(getpid()));
  const Taker taker = taker_at(path);
  EXPECT_TRUE(giver.has_come(getpid()));
}

/// A real other process, which the kernel tells from this one.
TEST(Handover, GivesToAnotherProcess) {
  const std::string path = meeting();
  Giver giver = giver_at(path);
  std::vector<UdpSocket> sockets = bound_sockets(1);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) {
    Failure failure;
    std::optional<Taker> taker = Taker::come(path.c_str(), parent, failure);
    std::vector<UdpSocket> taken;
    if (!taker) _exit(1);
    while (taker->take(taken) == Answer::kNone)
      usleep(1000);
    if (taken.size() != 1) _exit(2);
    Inbox inbox(0);
    _exit(eventually([&] { return received(inbox, taken) == std::vector<std::string>{"to you"}; })
              ? 0
              : 3);
  }
  ASSERT_TRUE(eventually([&] { return giver.has_come(child); }));
  EXPECT_FALSE(giver.is_gone());
  Failure failure;
  ASSERT_TRUE(giver.give(sockets, failure)) << failure.reason;
  send(sockets[0], "to you");
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(giver.is_gone());
}

TEST(Handover, FindsTheTakerGone) {
  std::optional<Pair> pair(std::in_place);
  Giver giver = std::move(pair->giver);
  EXPECT_FALSE(giver.is_gone());
  pair.reset();
  EXPECT_TRUE(giver.is_gone());
  const std::vector<UdpSocket> sockets = bound_sockets(1);
  Failure failure;
  EXPECT_FALSE(giver.give(sockets, failure));
  EXPECT_EQ(failure.error_number, EPIPE);
}

TEST(Handover, FindsTheGiverGone) {
  std::optional<Pair> pair(std::in_place);
  Taker taker = std::move(pair->taker);
  std::vector<UdpSocket> taken;
  EXPECT_EQ(taker.take(taken), Answer::kNone);
  pair.reset();
  EXPECT_EQ(taker.take(taken), Answer::kRefused);
  EXPECT_TRUE(taken.empty());
}

/// Where a process may not have so many files, it takes none, and keeps none.
TEST(Handover, TakesAllOrNothing) {
  Pair pair;
  const std::vector<UdpSocket> sockets = bound_sockets(8);
  Failure failure;
  ASSERT_TRUE(pair.giver.give(sockets, failure)) << failure.reason;
  const std::size_t before = open_files();
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  rlimit low = limit;
  low.rlim_cur = static_cast<rlim_t>(sockets.back().descriptor()) + 4;
  setrlimit(RLIMIT_NOFILE, &low);
  std::vector<UdpSocket> taken;
  const Answer answer = pair.taker.take(taken);
  setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_EQ(answer, Answer::kRefused);
  EXPECT_TRUE(taken.empty());
  EXPECT_EQ(open_files(), before);
}

/// What is no UDP socket, or comes in another form, is closed.
TEST(Handover, RefusesWhatIsNoGift) {
  const std::string path = meeting();
  const int door = socket(AF_UNIX, SOCK_SEQPACKET, 0);
  const sockaddr_un address = address_of(path);
  ASSERT_EQ(bind(door, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(door, 4), 0);
  for (const std::string& text : {std::string("hello"), std::string(4096, '\0')}) {
    Taker taker = taker_at(path);
    const int link = accept(door, nullptr, nullptr);
    const std::size_t before = open_files();
    const int given = STDIN_FILENO;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    iovec part{const_cast<char*>(text.data()), text.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(rights), &given, sizeof(int));
    ASSERT_EQ(sendmsg(link, &message, 0), static_cast<ssize_t>(text.size()));
    std::vector<UdpSocket> taken;
    EXPECT_EQ(taker.take(taken), Answer::kRefused);
    EXPECT_EQ(open_files(), before);
    close(link);
  }
  close(door);
  unlink(path.c_str());
}

TEST(Handover, AdoptsUdpSocketsOnly) {
  EXPECT_FALSE(UdpSocket::adopt(socket(AF_INET, SOCK_STREAM, 0), 0).has_value());
  EXPECT_FALSE(UdpSocket::adopt(socket(AF_UNIX, SOCK_DGRAM, 0), 0).has_value());
  EXPECT_FALSE(UdpSocket::adopt(-1, 0).has_value());
}

TEST(Handover, LeavesNothingBehind) {
  const std::string path = meeting();
  Failure failure;
  {
    Giver giver = giver_at(path);
    EXPECT_TRUE(std::filesystem::exists(path));
    // Nobody else takes the place.
    EXPECT_FALSE(Giver::meet(path.c_str(), failure).has_value());
    EXPECT_EQ(failure.error_number, EADDRINUSE);
    EXPECT_TRUE(std::filesystem::exists(path));
    const Giver moved = std::move(giver);
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Handover, KnowsAPathThatIsTooLong) {
  const std::string path(sizeof(sockaddr_un::sun_path), 'x');
  Failure failure;
  EXPECT_FALSE(Giver::meet(path.c_str(), failure).has_value());
  EXPECT_EQ(failure.error_number, ENAMETOOLONG);
  EXPECT_FALSE(Taker::come(path.c_str(), getpid(), failure).has_value());
  EXPECT_EQ(failure.error_number, ENAMETOOLONG);
}

/// Who floods the door keeps the expected process out for as long as it does, and nothing else.
TEST(Handover, OutlastsACrowd) {
  const std::string path = meeting();
  Giver giver = giver_at(path);
  Failure failure;
  std::vector<Taker> crowd;
  while (auto stranger = Taker::come(path.c_str(), getpid(), failure))
    crowd.push_back(std::move(*stranger));
  ASSERT_GT(crowd.size(), 1u);
  EXPECT_EQ(failure.error_number, EAGAIN);
  // All of them are looked at, a few at a time.
  while (!Taker::come(path.c_str(), getpid(), failure).has_value())
    EXPECT_FALSE(giver.has_come(getppid()));
}

}  // namespace
}  // namespace influx::transport
