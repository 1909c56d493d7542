#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace influx::transport {

/// Why a call of this folder failed. `reason` is a sentence part in lower case without full stop,
/// in the words of the system ("address already in use"); `error_number` is an errno, or 0 where
/// the failure came from name resolution.
struct Failure {
  int error_number = 0;
  std::string reason;
};

/// An IPv4 or IPv6 socket address. Plain data.
struct Endpoint {
  sockaddr_storage address{};
  socklen_t length = 0;

  /// Address and port as in a URL: `127.0.0.1:8089`, `[::1]:8089`.
  std::string text() const;
  /// The address alone, without a zone: `127.0.0.1`, `::1`. Empty where there is none.
  std::string host() const;
  /// The port, in host byte order.
  std::uint16_t port() const noexcept;
  /// The same address with another port. An endpoint of an unknown family is returned as it is.
  Endpoint with_port(std::uint16_t port) const noexcept;
  /// Whether both name the same family, address and port.
  friend bool operator==(const Endpoint& left, const Endpoint& right) noexcept;
};

/// The UDP port that `service` means: a decimal number from 1 to 65535, or a name from the services
/// database. Nothing, and `failure` filled, where it means none.
std::optional<std::uint16_t> udp_port(std::string_view service, Failure& failure);

/// The addresses to listen on for `host`: `*` is every address of both families, `localhost` the
/// loopback addresses of both families whatever the resolver says, anything else is resolved.
/// Empty, and `failure` filled, where the name means nothing.
std::vector<Endpoint> listen_endpoints(std::string_view host, std::uint16_t port, Failure& failure);

/// The addresses of `host` to send to, in the order in which they should be tried.
/// Empty, and `failure` filled, where the name means nothing.
std::vector<Endpoint> send_endpoints(std::string_view host, std::uint16_t port, Failure& failure);

}  // namespace influx::transport
