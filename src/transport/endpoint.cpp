#include "influx/transport/endpoint.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <system_error>

#include "failure.h"
#include "influx/transport/lookup.h"

namespace influx::transport {

namespace {

/// One host in both families.
struct HostPair {
  in_addr_t v4;  ///< in host byte order
  const in6_addr& v6;
};

// A sockaddr_storage is bytes that hold one of several structures: copied, not cast, so that no
// rule of the language is bent.
template <typename Address>
Address address_of(const Endpoint& endpoint) noexcept {
  Address address{};
  std::memcpy(&address, &endpoint.address, sizeof(address));
  return address;
}

template <typename Address>
Endpoint endpoint_of(const Address& address) noexcept {
  Endpoint endpoint;
  std::memcpy(&endpoint.address, &address, sizeof(address));
  endpoint.length = sizeof(address);
  return endpoint;
}

std::vector<Endpoint> both_families(const HostPair& host, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  v4.sin_addr.s_addr = htonl(host.v4);

  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_addr = host.v6;

  return {endpoint_of(v4), endpoint_of(v6)};
}

/// Host names do not tell upper from lower case; the locale must have no say in it.
bool is_localhost(std::string_view host) noexcept {
  return std::ranges::equal(host, std::string_view("localhost"), [](char left, char right) {
    return (left >= 'A' && left <= 'Z' ? left - 'A' + 'a' : left) == right;
  });
}

/// What the resolver has found; nothing for a family that is not ours.
std::optional<Endpoint> endpoint_found(const addrinfo& found) noexcept {
  const bool ours = (found.ai_family == AF_INET && found.ai_addrlen == sizeof(sockaddr_in)) ||
                    (found.ai_family == AF_INET6 && found.ai_addrlen == sizeof(sockaddr_in6));
  if (!ours) return std::nullopt;
  Endpoint endpoint;
  std::memcpy(&endpoint.address, found.ai_addr, found.ai_addrlen);
  endpoint.length = found.ai_addrlen;
  return endpoint;
}

/// Asks the resolver. The order is the resolver's; what it says twice is given once.
std::vector<Endpoint> resolve(std::string_view host, std::uint16_t port, Failure& failure) {
  std::vector<Endpoint> endpoints;

  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_protocol = IPPROTO_UDP;

  // Brackets, as in a URL, hold a literal and never a name.
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
    hints.ai_family = AF_INET6;
    hints.ai_flags = AI_NUMERICHOST;
  }
  if (host.empty()) {
    failure = {0, "the host name is empty"};
    return endpoints;
  }
  if (host.find('\0') != std::string_view::npos) {
    failure = {0, "the host name has a zero byte"};
    return endpoints;
  }

  addrinfo* found = nullptr;
  const int error = getaddrinfo(std::string(host).c_str(), nullptr, &hints, &found);
  if (error != 0) {
    failure =
        error == EAI_SYSTEM ? system_failure(errno) : Failure{0, as_reason(gai_strerror(error))};
    return endpoints;
  }

  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    const std::optional<Endpoint> address = endpoint_found(*each);
    if (!address) continue;
    const Endpoint endpoint = address->with_port(port);
    if (std::ranges::find(endpoints, endpoint) == endpoints.end()) endpoints.push_back(endpoint);
  }
  if (endpoints.empty()) failure = {0, "the host has neither an IPv4 nor an IPv6 address"};
  return endpoints;
}

/// The UDP port of a name in the services database; 0 where there is none.
std::uint16_t port_of_name(const std::string& name) {
  std::vector<char> buffer(1024);
  for (;;) {
    servent entry{};
    servent* found = nullptr;
    const int error =
        getservbyname_r(name.c_str(), "udp", &entry, buffer.data(), buffer.size(), &found);
    // An entry with many aliases may need a larger buffer; one that needs a megabyte is nonsense.
    if (error == ERANGE && buffer.size() < std::size_t{1} << 20U) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (error != 0 || found == nullptr) return 0;
    return ntohs(static_cast<std::uint16_t>(found->s_port));
  }
}

}  // namespace

std::string Endpoint::host() const {
  std::array<char, INET6_ADDRSTRLEN> host{};
  const char* text = nullptr;
  if (address.ss_family == AF_INET) {
    const auto v4 = address_of<sockaddr_in>(*this);
    text = inet_ntop(AF_INET, &v4.sin_addr, host.data(), host.size());
  } else if (address.ss_family == AF_INET6) {
    const auto v6 = address_of<sockaddr_in6>(*this);
    text = inet_ntop(AF_INET6, &v6.sin6_addr, host.data(), host.size());
  }
  return text == nullptr ? "" : text;
}

std::string Endpoint::text() const {
  const std::string address_alone = host();
  if (address_alone.empty()) return "unknown address";
  if (address.ss_family == AF_INET) return address_alone + ":" + std::to_string(port());
  std::string text = "[" + address_alone;
  // A link-local address means nothing without its interface.
  const auto v6 = address_of<sockaddr_in6>(*this);
  if (v6.sin6_scope_id != 0) {
    std::array<char, IF_NAMESIZE> name{};
    const bool named = if_indextoname(v6.sin6_scope_id, name.data()) != nullptr;
    text += "%";
    text += named ? std::string(name.data()) : std::to_string(v6.sin6_scope_id);
  }
  return text + "]:" + std::to_string(port());
}

std::uint16_t Endpoint::port() const noexcept {
  switch (address.ss_family) {
    case AF_INET:
      return ntohs(address_of<sockaddr_in>(*this).sin_port);
    case AF_INET6:
      return ntohs(address_of<sockaddr_in6>(*this).sin6_port);
    default:
      return 0;
  }
}

Endpoint Endpoint::with_port(std::uint16_t port) const noexcept {
  if (address.ss_family == AF_INET) {
    auto v4 = address_of<sockaddr_in>(*this);
    v4.sin_port = htons(port);
    return endpoint_of(v4);
  }
  if (address.ss_family == AF_INET6) {
    auto v6 = address_of<sockaddr_in6>(*this);
    v6.sin6_port = htons(port);
    return endpoint_of(v6);
  }
  return *this;
}

bool operator==(const Endpoint& left, const Endpoint& right) noexcept {
  if (left.address.ss_family != right.address.ss_family) return false;
  switch (left.address.ss_family) {
    case AF_INET: {
      const auto a = address_of<sockaddr_in>(left);
      const auto b = address_of<sockaddr_in>(right);
      return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
    }
    case AF_INET6: {
      const auto a = address_of<sockaddr_in6>(left);
      const auto b = address_of<sockaddr_in6>(right);
      return a.sin6_port == b.sin6_port && a.sin6_scope_id == b.sin6_scope_id &&
             std::memcmp(&a.sin6_addr, &b.sin6_addr, sizeof(a.sin6_addr)) == 0;
    }
    default:
      return left.length == right.length &&
             std::memcmp(&left.address, &right.address, left.length) == 0;
  }
}

std::optional<std::uint16_t> udp_port(std::string_view service, Failure& failure) {
  if (service.empty()) {
    failure = {0, "the service is empty"};
    return std::nullopt;
  }
  if (std::ranges::all_of(service, [](char c) { return c >= '0' && c <= '9'; })) {
    std::uint16_t port = 0;
    const auto end = service.data() + service.size();
    if (std::from_chars(service.data(), end, port).ec != std::errc() || port == 0) {
      failure = {0, "a port number is from 1 to 65535"};
      return std::nullopt;
    }
    return port;
  }
  if (service.size() > 1 && service[0] == '-' && service[1] >= '0' && service[1] <= '9') {
    failure = {0, "a port number is from 1 to 65535"};
    return std::nullopt;
  }
  const bool has_zero_byte = service.find('\0') != std::string_view::npos;
  const std::uint16_t port = has_zero_byte ? 0 : port_of_name(std::string(service));
  if (port == 0) {
    failure = {0, "no UDP service of this name is known"};
    return std::nullopt;
  }
  return port;
}

bool is_name(std::string_view host) noexcept {
  // What has these is an error or a literal, and no name server is asked.
  if (host.empty() || host.front() == '[' || host.find('\0') != std::string_view::npos)
    return false;
  if (host == "*" || is_localhost(host)) return false;
  std::array<char, INET6_ADDRSTRLEN + IF_NAMESIZE + 1> text{};
  if (host.size() >= text.size()) return true;
  host.copy(text.data(), host.size());
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (getaddrinfo(text.data(), nullptr, &hints, &found) != 0) return true;
  freeaddrinfo(found);
  return false;
}

std::vector<Endpoint> listen_endpoints(std::string_view host, std::uint16_t port,
                                       Failure& failure) {
  if (host == "*") return both_families({INADDR_ANY, in6addr_any}, port);
  if (is_localhost(host)) return both_families({INADDR_LOOPBACK, in6addr_loopback}, port);
  return resolve(host, port, failure);
}

std::vector<Endpoint> send_endpoints(std::string_view host, std::uint16_t port, Failure& failure) {
  // The same addresses as for listening, so that a listener on `localhost` is found under this
  // name.
  if (is_localhost(host)) return both_families({INADDR_LOOPBACK, in6addr_loopback}, port);
  return resolve(host, port, failure);
}

}  // namespace influx::transport
