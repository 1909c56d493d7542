#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "influx/transport/endpoint.h"

namespace influx::transport {

/// A bound, non-blocking UDP socket that is closed with the object. Movable, not copyable.
class UdpSocket {
 public:
  /// Binds to `endpoint`. The port may be shared with other sockets of the same user
  /// (SO_REUSEPORT); an IPv6 socket takes IPv6 only. Nothing, and `failure` filled, where the
  /// system refuses.
  static std::optional<UdpSocket> bind(const Endpoint& endpoint, Failure& failure);

  /// Takes over a socket that another process has bound as above, and has given to this one;
  /// `seen_drops` is what it had counted. Nothing where it is none: then it is closed.
  static std::optional<UdpSocket> adopt(int descriptor, std::uint32_t seen_drops) noexcept;

  UdpSocket(UdpSocket&& other) noexcept;
  UdpSocket& operator=(UdpSocket&& other) noexcept;
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  ~UdpSocket();

  /// Asks for a receive buffer of `bytes` and returns the size in bytes that the kernel grants, in
  /// the unit of the request (Linux doubles it for its own overhead; that is undone here).
  /// Uses SO_RCVBUFFORCE where the process may, else SO_RCVBUF.
  std::size_t set_read_buffer(std::size_t bytes) noexcept;

  /// Whether the kernel tells how many datagrams it has dropped (SO_MEMINFO; Linux has it since
  /// version 4.12). Where it does not, drops are not counted.
  bool tells_drops() const noexcept;

  int descriptor() const noexcept { return descriptor_; }
  /// The address really bound.
  const Endpoint& endpoint() const noexcept { return endpoint_; }
  /// How many datagrams the kernel had dropped here when an inbox took note of it last. REQUIRES:
  /// none does meanwhile.
  std::uint32_t seen_drops() const noexcept { return seen_drops_; }

 private:
  friend class Inbox;

  explicit UdpSocket(int descriptor) noexcept : descriptor_(descriptor) {}
  /// Asks for the address bound. False, with errno, where it is not told.
  bool ask_endpoint() noexcept;

  /// How many datagrams the kernel dropped since the last call; 0 where it does not tell.
  std::uint32_t drops_since_last() const noexcept;

  int descriptor_ = -1;
  Endpoint endpoint_;
  /// The count of the kernel seen last: one for each socket, from 0 at its creation, modulo 2^32.
  /// It lives here, and not in the inbox, because it begins and ends with the socket. Guarded by
  /// the inbox that receives from the socket.
  mutable std::uint32_t seen_drops_ = 0;
};

/// Whether this process could bind to `endpoint`, as far as that will not pass: its address is one
/// of this machine, and its port is not reserved for privileged processes. Whether the port is free
/// is not asked, and nothing that is sent there is taken from another socket. False, and `failure`
/// filled, where it could not.
bool may_bind(const Endpoint& endpoint, Failure& failure);

/// Sends `payload` as one datagram to the first of `endpoints` that does not refuse it at once.
/// Returns false and fills `failure` with the last refusal where none takes it: too large
/// (EMSGSIZE), no route, or nothing listens there, as far as the system can tell at once. Does not
/// block.
bool send_datagram(const std::vector<Endpoint>& endpoints, std::string_view payload,
                   Failure& failure);

}  // namespace influx::transport
