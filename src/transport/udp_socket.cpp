#include "influx/transport/udp_socket.h"

#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <utility>

#include "failure.h"

namespace influx::transport {

namespace {

/// Closes the descriptor it was given at the end of the scope.
class Closer {
 public:
  explicit Closer(int descriptor) noexcept : descriptor_(descriptor) {}
  Closer(const Closer&) = delete;
  Closer& operator=(const Closer&) = delete;
  ~Closer() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  const int descriptor_;
};

const sockaddr* as_sockaddr(const Endpoint& endpoint) noexcept {
  return reinterpret_cast<const sockaddr*>(&endpoint.address);
}

int open_socket(const Endpoint& endpoint) noexcept {
  return socket(endpoint.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP);
}

bool switch_on(int descriptor, int level, int option) noexcept {
  const int on = 1;
  return setsockopt(descriptor, level, option, &on, sizeof(on)) == 0;
}

/// The error that waits at the socket, and is taken away by this call; 0 where there is none.
int pending_error(int descriptor) noexcept {
  int error = 0;
  socklen_t length = sizeof(error);
  return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

/// Sends to one endpoint; returns an errno, 0 for success.
int send_to(const Endpoint& endpoint, std::string_view payload) noexcept {
  const int descriptor = open_socket(endpoint);
  if (descriptor < 0) return errno;
  const Closer closer(descriptor);

  // Only a connected socket is told that nobody listens.
  if (connect(descriptor, as_sockaddr(endpoint), endpoint.length) != 0) return errno;
  if (send(descriptor, payload.data(), payload.size(), 0) < 0) return errno;

  // On the loopback the refusal has come before send() returns, unless the kernel put the delivery
  // off; then it comes as soon as the kernel's own thread has run.
  if (const int error = pending_error(descriptor); error != 0) return error;
  sched_yield();
  return pending_error(descriptor);
}

/// How many datagrams the kernel has dropped at a socket in all, modulo 2^32; nothing where it does
/// not tell.
std::optional<std::uint32_t> drops_at(int descriptor) noexcept {
  std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
  socklen_t length = sizeof(values);
  if (getsockopt(descriptor, SOL_SOCKET, SO_MEMINFO, values.data(), &length) != 0 ||
      length <= SK_MEMINFO_DROPS * sizeof(values[0])) {
    return std::nullopt;
  }
  return values[SK_MEMINFO_DROPS];
}

}  // namespace

std::optional<UdpSocket> UdpSocket::bind(const Endpoint& endpoint, Failure& failure) {
  UdpSocket bound(open_socket(endpoint));
  const int descriptor = bound.descriptor_;
  // An IPv6 socket that took IPv4 as well would get in the way of the IPv4 socket of the same port.
  if (descriptor < 0 || !switch_on(descriptor, SOL_SOCKET, SO_REUSEPORT) ||
      (endpoint.address.ss_family == AF_INET6 &&
       !switch_on(descriptor, IPPROTO_IPV6, IPV6_V6ONLY)) ||
      ::bind(descriptor, as_sockaddr(endpoint), endpoint.length) != 0) {
    failure = system_failure(errno);
    return std::nullopt;
  }

  if (!bound.ask_endpoint()) {
    failure = system_failure(errno);
    return std::nullopt;
  }
  return bound;
}

std::optional<UdpSocket> UdpSocket::adopt(int descriptor, std::uint32_t seen_drops) noexcept {
  UdpSocket adopted(descriptor);
  adopted.seen_drops_ = seen_drops;
  int type = 0;
  socklen_t length = sizeof(type);
  if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0 || type != SOCK_DGRAM ||
      !adopted.ask_endpoint())
    return std::nullopt;
  const sa_family_t family = adopted.endpoint_.address.ss_family;
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  return adopted;
}

bool UdpSocket::ask_endpoint() noexcept {
  endpoint_.length = sizeof(endpoint_.address);
  return getsockname(descriptor_, reinterpret_cast<sockaddr*>(&endpoint_.address),
                     &endpoint_.length) == 0;
}

UdpSocket::UdpSocket(UdpSocket&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      endpoint_(other.endpoint_),
      seen_drops_(other.seen_drops_) {}

UdpSocket& UdpSocket::operator=(UdpSocket&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) close(descriptor_);
    descriptor_ = std::exchange(other.descriptor_, -1);
    endpoint_ = other.endpoint_;
    seen_drops_ = other.seen_drops_;
  }
  return *this;
}

UdpSocket::~UdpSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::size_t UdpSocket::set_read_buffer(std::size_t bytes) noexcept {
  // The kernel takes an int, and doubles it.
  int size = static_cast<int>(std::min<std::size_t>(bytes, INT_MAX / 2));
  socklen_t length = sizeof(size);
  if (setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUFFORCE, &size, length) != 0) {
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, length);
  }
  if (getsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0) return 0;
  return static_cast<std::size_t>(size) / 2;
}

bool UdpSocket::tells_drops() const noexcept {
  return drops_at(descriptor_).has_value();
}

std::uint32_t UdpSocket::drops_since_last() const noexcept {
  const std::optional<std::uint32_t> drops = drops_at(descriptor_);
  return drops ? *drops - std::exchange(seen_drops_, *drops) : 0;
}

bool may_bind(const Endpoint& endpoint, Failure& failure) {
  // The kernel looks at the address, then at the right to the port, and then for another socket
  // there. A socket without SO_REUSEPORT gets no datagrams of others; still it would be in the way
  // of one that is bound in the same moment, so a port that needs no right is not tried.
  constexpr std::uint16_t kFirstUnprivileged = 1024;
  const Endpoint tried = endpoint.port() < kFirstUnprivileged ? endpoint : endpoint.with_port(0);
  const int descriptor = open_socket(tried);
  int error = descriptor < 0 ? errno : 0;
  const Closer closer(descriptor);
  if (error == 0 &&
      ((tried.address.ss_family == AF_INET6 && !switch_on(descriptor, IPPROTO_IPV6, IPV6_V6ONLY)) ||
       ::bind(descriptor, as_sockaddr(tried), tried.length) != 0)) {
    error = errno;
  }
  if (error == 0 || error == EADDRINUSE) return true;
  failure = system_failure(error);
  return false;
}

bool send_datagram(const std::vector<Endpoint>& endpoints, std::string_view payload,
                   Failure& failure) {
  int error = EDESTADDRREQ;
  for (const Endpoint& endpoint : endpoints) {
    error = send_to(endpoint, payload);
    if (error == 0) return true;
  }
  failure = system_failure(error);
  return false;
}

}  // namespace influx::transport
