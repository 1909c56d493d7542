#include "influx/transport/endpoint_key.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace influx::transport {

namespace {

constexpr std::size_t kV4Bytes = 4;
constexpr std::size_t kMappedAt = 12;  ///< where the IPv4 address stands in one of IPv6

/// Whether the kernel looks at the interface of such an address at all: elsewhere it ignores what
/// is written behind the `%`.
bool has_interface(const in6_addr& host) noexcept {
  return IN6_IS_ADDR_LINKLOCAL(&host) || IN6_IS_ADDR_MC_NODELOCAL(&host) ||
         IN6_IS_ADDR_MC_LINKLOCAL(&host);
}

}  // namespace

EndpointKey::EndpointKey(const Endpoint& endpoint) noexcept : port(endpoint.port()) {
  if (endpoint.address.ss_family == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, &endpoint.address, sizeof(address));
    family = Family::kIPv4;
    std::memcpy(host.data(), &address.sin_addr, kV4Bytes);
  } else if (endpoint.address.ss_family == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, &endpoint.address, sizeof(address));
    if (IN6_IS_ADDR_V4MAPPED(&address.sin6_addr)) {
      family = Family::kIPv4;
      std::memcpy(host.data(), address.sin6_addr.s6_addr + kMappedAt, kV4Bytes);
      return;
    }
    family = Family::kIPv6;
    std::memcpy(host.data(), &address.sin6_addr, host.size());
    if (has_interface(address.sin6_addr)) scope = address.sin6_scope_id;
  }
}

Endpoint EndpointKey::endpoint() const noexcept {
  Endpoint endpoint;
  if (family == Family::kIPv4) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, host.data(), kV4Bytes);
    std::memcpy(&endpoint.address, &address, sizeof(address));
    endpoint.length = sizeof(address);
  } else if (family == Family::kIPv6) {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_scope_id = scope;
    std::memcpy(&address.sin6_addr, host.data(), host.size());
    std::memcpy(&endpoint.address, &address, sizeof(address));
    endpoint.length = sizeof(address);
  }
  return endpoint;
}

bool EndpointKey::is_every_address() const noexcept {
  return std::ranges::all_of(host, [](std::uint8_t byte) { return byte == 0; });
}

bool EndpointKey::overlaps(const EndpointKey& other) const noexcept {
  if (port != other.port || family != other.family || family == Family::kNone) return false;
  if (is_every_address() || other.is_every_address()) return true;
  return host == other.host && (scope == other.scope || scope == 0 || other.scope == 0);
}

}  // namespace influx::transport
