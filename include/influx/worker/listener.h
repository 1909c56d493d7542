#pragma once

#include "influx/postgres/server.h"
#include "influx/transport/udp_socket.h"

namespace influx::worker {

/// The sockets of a worker: one for each address of `influx.listen_addresses`, on one port.
///
/// Its methods throw postgres::Error, and log.
class Listener {
 public:
  explicit Listener(std::uint16_t port) noexcept : port_(port) {}

  /// Opens a socket for each address of the settings that has none, and closes those that are not
  /// named any more. An address family that this machine does not have is passed over, as long as
  /// one address is left. Where an address cannot be bound, what was open before stays, and it
  /// throws.
  void configure();

  std::span<const transport::UdpSocket> sockets() const noexcept { return sockets_; }
  /// The addresses bound: `127.0.0.1:8089, [::1]:8089`.
  std::string addresses() const;

 private:
  std::vector<transport::Endpoint> wanted() const;
  void set_read_buffers();

  std::uint16_t port_;
  std::vector<transport::UdpSocket> sockets_;
};

}  // namespace influx::worker
