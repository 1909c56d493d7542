#pragma once

#include "influx/postgres/server.h"
#include "influx/transport/source_filter.h"
#include "influx/transport/udp_socket.h"
#include "influx/worker/addresses.h"
#include "influx/worker/registration.h"

namespace influx::worker {

/// The sockets of a worker: one for each address of `influx.listen_addresses`, on one port; and
/// whose datagrams it takes there.
///
/// Its methods throw postgres::Error, and log.
class Listener {
 public:
  /// `registration` is where endpoints are claimed, and outlives it.
  Listener(std::uint16_t port, Registration& registration) noexcept
      : port_(port), registration_(registration) {}

  /// Begins to look up the addresses of the settings, where they are others than those looked up
  /// last, or could not be found. Throws where that cannot be.
  void look_up();
  /// Whether a lookup has ended, and take_addresses() is to be called.
  bool has_found() const noexcept { return resolution_.has_value() && resolution_->done(); }
  /// Can be read from when a lookup has ended; -1 where none is under way.
  int lookup_descriptor() const noexcept {
    return resolution_.has_value() ? resolution_->descriptor() : -1;
  }
  /// Takes what a lookup has found; waits for its end where it has not ended. Throws where an
  /// address means nothing: then the ones before count, and the next look_up() asks again.
  void take_addresses();

  /// Opens a socket for each address that was taken last and has none, and gives up those that are
  /// not named any more. Returns these, still open, so that what waits there can be received first;
  /// when they are closed, keep_claims() is to be called. An address family that this machine does
  /// not have is passed over, as long as one address is left. Where an address cannot be bound, or
  /// another listener has it, what was open before stays, and it throws.
  std::vector<transport::UdpSocket> configure();
  /// Takes over sockets of an earlier process of the listener, with its claims. They are those to
  /// be listened on until others are taken.
  void adopt(std::vector<transport::UdpSocket> sockets);
  /// Lets other listeners have what this one has closed.
  void keep_claims();
  /// Closes all sockets.
  void close() noexcept { sockets_.clear(); }

  /// From whom datagrams are taken, as `influx.allowed_sources` says now; logged where not from
  /// everybody.
  static transport::SourceFilter allowed_sources();

  std::span<const transport::UdpSocket> sockets() const noexcept { return sockets_; }
  /// The addresses bound: `127.0.0.1:8089, [::1]:8089`.
  std::string addresses() const;
  /// The receive buffer of each socket, in bytes: what the kernel has granted to the one with the
  /// least.
  std::size_t read_buffer() const noexcept { return read_buffer_; }

 private:
  void claim(std::span<const transport::Endpoint> endpoints);
  std::vector<transport::UdpSocket> open(std::span<const transport::Endpoint> endpoints);
  void set_read_buffers();

  std::uint16_t port_;
  Registration& registration_;
  std::string looked_up_;  ///< the setting; empty where it is to be asked for again
  std::optional<Resolution> resolution_;
  std::vector<transport::Endpoint> endpoints_;
  std::vector<transport::UdpSocket> sockets_;
  std::size_t read_buffer_ = 0;
};

}  // namespace influx::worker
