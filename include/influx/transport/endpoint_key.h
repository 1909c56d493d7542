#pragma once

#include <array>
#include <cstdint>
#include <type_traits>

#include "influx/transport/endpoint.h"

namespace influx::transport {

/// What the kernel tells an endpoint by, in few bytes, for memory that processes share. An IPv4
/// address that is written as an IPv6 one is IPv4 here. Plain data.
struct EndpointKey {
  enum class Family : std::uint8_t { kNone, kIPv4, kIPv6 };

  EndpointKey() = default;
  explicit EndpointKey(const Endpoint& endpoint) noexcept;

  /// The endpoint, for its text. Of no family where the key has none.
  Endpoint endpoint() const noexcept;

  /// Whether sockets bound to both would get datagrams that are meant for one address and port: the
  /// same family and port, and the same address, or one is every address of the family. An IPv6
  /// socket takes no IPv4, see UdpSocket.
  bool overlaps(const EndpointKey& other) const noexcept;

  std::array<std::uint8_t, 16> host{};  ///< in network order; of IPv4 the first four bytes
  std::uint32_t scope = 0;              ///< the interface of a link-local address; 0 for any
  std::uint16_t port = 0;               ///< in host order
  Family family = Family::kNone;

 private:
  bool is_every_address() const noexcept;
};
static_assert(std::is_trivially_copyable_v<EndpointKey> && sizeof(EndpointKey) == 24);

}  // namespace influx::transport
