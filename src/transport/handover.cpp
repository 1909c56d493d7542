#include "influx/transport/handover.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "failure.h"

namespace influx::transport {

namespace {

/// So many may wait to be let in, and so many are looked at by one call.
constexpr int kMostAtTheDoor = 16;

/// What is sent beside the descriptors. Both sides are processes of one server; one of another
/// version does not know the mark.
struct Gift {
  static constexpr std::uint64_t kMark = 0x696e666c75780001;

  std::uint64_t mark = kMark;
  std::uint32_t count = 0;
  /// Of each socket, how many of its drops were counted.
  std::array<std::uint32_t, Giver::kMostSockets> seen_drops{};
};

constexpr std::size_t kControlSize = CMSG_SPACE(sizeof(int) * Giver::kMostSockets);

/// The address of a path; nothing where that is too long.
std::optional<sockaddr_un> address_of(std::string_view path) noexcept {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof(address.sun_path)) return std::nullopt;
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, path.size());
  return address;
}

const sockaddr* as_sockaddr(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

Descriptor open_link() noexcept {
  return Descriptor(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
}

/// Whether the other side of a connection is that process, and of the user of this one.
bool is_process(int link, pid_t process) noexcept {
  ucred peer{};
  socklen_t length = sizeof(peer);
  return getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid == process &&
         peer.uid == geteuid();
}

/// The descriptors that have come with a message, all of which are ours to close from now on.
std::vector<Descriptor> received(const msghdr& message) {
  std::array<int, Giver::kMostSockets> numbers{};
  std::size_t count = 0;
  for (const cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(const_cast<msghdr*>(&message), const_cast<cmsghdr*>(part))) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t more = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    std::memcpy(numbers.data() + count, CMSG_DATA(part), more * sizeof(int));
    count += more;
  }
  std::vector<Descriptor> descriptors;
  try {
    descriptors.reserve(count);
  } catch (...) {
    for (std::size_t i = 0; i < count; ++i)
      close(numbers[i]);
    throw;
  }
  for (std::size_t i = 0; i < count; ++i)
    descriptors.emplace_back(numbers[i]);
  return descriptors;
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (number_ >= 0) close(number_);
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (number_ >= 0) close(number_);
}

std::optional<Giver> Giver::meet(const char* path, Failure& failure) {
  const std::optional<sockaddr_un> address = address_of(path);
  if (!address.has_value()) {
    failure = system_failure(ENAMETOOLONG);
    return std::nullopt;
  }
  Descriptor door = open_link();
  if (!door.is_open() || bind(door.number(), as_sockaddr(*address), sizeof(*address)) != 0) {
    failure = system_failure(errno);
    return std::nullopt;
  }
  Giver giver(std::move(door), path);
  if (listen(giver.door_.number(), kMostAtTheDoor) != 0) {
    failure = system_failure(errno);
    return std::nullopt;
  }
  return giver;
}

void Giver::leave() noexcept {
  if (door_.is_open()) unlink(path_.c_str());
}

Giver& Giver::operator=(Giver&& other) noexcept {
  if (this != &other) {
    leave();
    path_ = std::move(other.path_);
    door_ = std::move(other.door_);
    taker_ = std::move(other.taker_);
  }
  return *this;
}

Giver::~Giver() {
  leave();
}

bool Giver::has_come(pid_t taker) noexcept {
  for (int looked = 0; looked < kMostAtTheDoor && !taker_.is_open(); ++looked) {
    Descriptor link(accept4(door_.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!link.is_open()) break;
    if (is_process(link.number(), taker)) taker_ = std::move(link);
  }
  return taker_.is_open();
}

bool Giver::is_gone() const noexcept {
  char byte = 0;
  const ssize_t length = recv(taker_.number(), &byte, sizeof(byte), MSG_DONTWAIT | MSG_PEEK);
  return length >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

bool Giver::give(std::span<const UdpSocket> sockets, Failure& failure) {
  if (sockets.empty() || sockets.size() > kMostSockets) {
    failure = system_failure(EMSGSIZE);
    return false;
  }
  Gift gift;
  gift.count = static_cast<std::uint32_t>(sockets.size());
  alignas(cmsghdr) std::array<char, kControlSize> control{};
  iovec text{&gift, sizeof(gift)};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = CMSG_SPACE(sizeof(int) * sockets.size());
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof(int) * sockets.size());
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    const int descriptor = sockets[i].descriptor();
    std::memcpy(CMSG_DATA(part) + i * sizeof(int), &descriptor, sizeof(int));
    gift.seen_drops[i] = sockets[i].seen_drops();
  }
  if (sendmsg(taker_.number(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) ==
      static_cast<ssize_t>(sizeof(gift)))
    return true;
  failure = system_failure(errno);
  return false;
}

std::optional<Taker> Taker::come(const char* path, pid_t giver, Failure& failure) {
  const std::optional<sockaddr_un> address = address_of(path);
  if (!address.has_value()) {
    failure = system_failure(ENAMETOOLONG);
    return std::nullopt;
  }
  Descriptor link = open_link();
  if (!link.is_open() || connect(link.number(), as_sockaddr(*address), sizeof(*address)) != 0) {
    failure = system_failure(errno);
    return std::nullopt;
  }
  if (!is_process(link.number(), giver)) {
    failure = system_failure(EPERM);
    return std::nullopt;
  }
  return Taker(std::move(link));
}

Taker::Answer Taker::take(std::vector<UdpSocket>& sockets) {
  Gift gift;
  alignas(cmsghdr) std::array<char, kControlSize> control{};
  iovec text{&gift, sizeof(gift)};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t length = recvmsg(link_.number(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (length < 0)
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? Answer::kNone
                                                                     : Answer::kRefused;

  // Whatever has come is closed where it is not what should come, as where this process may not
  // have so many files.
  std::vector<Descriptor> descriptors = received(message);
  if (length != static_cast<ssize_t>(sizeof(gift)) ||
      (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || gift.mark != Gift::kMark ||
      descriptors.empty() || gift.count != descriptors.size())
    return Answer::kRefused;
  std::vector<UdpSocket> taken;
  taken.reserve(descriptors.size());
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    std::optional<UdpSocket> socket =
        UdpSocket::adopt(descriptors[i].release(), gift.seen_drops[i]);
    if (!socket.has_value()) return Answer::kRefused;
    taken.push_back(std::move(*socket));
  }
  sockets = std::move(taken);
  return Answer::kGiven;
}

}  // namespace influx::transport
