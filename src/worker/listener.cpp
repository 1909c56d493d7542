#include "influx/worker/listener.h"

#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"
#include "influx/worker/claims.h"

namespace influx::worker {

using transport::Endpoint;
using transport::EndpointKey;
using transport::SourceFilter;
using transport::UdpSocket;

void Listener::look_up() {
  const AddressList addresses = addresses_of_settings();
  if (looked_up_ == addresses.text) return;
  looked_up_.clear();
  resolution_.emplace(addresses, port_);
  looked_up_ = addresses.text;
}

void Listener::take_addresses() {
  if (!resolution_.has_value()) return;
  wait_for(*resolution_);
  const Resolution ended = std::move(*resolution_);
  resolution_.reset();
  try {
    endpoints_ = ended.endpoints();
  } catch (...) {
    looked_up_.clear();
    throw;
  }
}

std::vector<UdpSocket> Listener::configure() {
  claim(endpoints_);
  std::vector<UdpSocket> opened;
  try {
    opened = open(endpoints_);
  } catch (...) {
    keep_claims();
    throw;
  }

  const auto unwanted =
      std::stable_partition(sockets_.begin(), sockets_.end(), [&](const UdpSocket& socket) {
        return std::find(endpoints_.begin(), endpoints_.end(), socket.endpoint()) !=
               endpoints_.end();
      });
  std::vector<UdpSocket> given_up(std::make_move_iterator(unwanted),
                                  std::make_move_iterator(sockets_.end()));
  sockets_.erase(unwanted, sockets_.end());
  for (UdpSocket& socket : opened)
    sockets_.push_back(std::move(socket));
  set_read_buffers();
  return given_up;
}

void Listener::adopt(std::vector<UdpSocket> sockets) {
  endpoints_.clear();
  for (const UdpSocket& socket : sockets)
    endpoints_.push_back(socket.endpoint());
  sockets_ = std::move(sockets);
}

/// The sockets of those of `endpoints` that have none.
std::vector<UdpSocket> Listener::open(std::span<const Endpoint> endpoints) {
  std::vector<UdpSocket> opened;
  std::optional<postgres::Error> passed_over;
  bool has_one = false;
  for (const Endpoint& endpoint : endpoints) {
    const bool is_open = std::any_of(sockets_.begin(), sockets_.end(), [&](const auto& socket) {
      return socket.endpoint() == endpoint;
    });
    has_one = has_one || is_open;
    if (is_open) continue;
    transport::Failure failure;
    std::optional<UdpSocket> socket = UdpSocket::bind(endpoint, failure);
    if (socket.has_value()) {
      opened.push_back(std::move(*socket));
      continue;
    }
    passed_over = bind_error(endpoint, failure, addresses_of_settings());
    if (!is_missing_family(endpoint, failure.error_number)) throw *passed_over;
  }
  if (passed_over.has_value()) {
    if (!has_one && opened.empty()) throw *passed_over;
    postgres::guard([&] { ereport(LOG, (errmsg("influx: %s", passed_over->what()))); });
  }
  return opened;
}

void Listener::claim(std::span<const Endpoint> endpoints) {
  std::vector<EndpointKey> keys;
  for (const Endpoint& endpoint : endpoints)
    keys.emplace_back(endpoint);
  Claimant claimant;
  if (!registration_.claim(keys, &claimant)) throw claimed_error(claimant);
}

void Listener::keep_claims() {
  std::vector<EndpointKey> keys;
  for (const UdpSocket& socket : sockets_)
    keys.emplace_back(socket.endpoint());
  registration_.keep_claims(keys);
}

void Listener::set_read_buffers() {
  const std::size_t wanted = static_cast<std::size_t>(postgres::settings.read_buffer) * 1024;
  read_buffer_ = SIZE_MAX;
  for (UdpSocket& socket : sockets_) {
    const std::size_t granted = socket.set_read_buffer(wanted);
    read_buffer_ = std::min(read_buffer_, granted);
    const std::string address = socket.endpoint().text();
    postgres::guard([&] {
      if (granted >= wanted) {
        ereport(LOG, (errmsg("influx: listening on %s with a read buffer of %zu kB",
                             address.c_str(), granted / 1024)));
      } else {
        ereport(WARNING,
                (errmsg("influx: listening on %s with a read buffer of %zu kB instead of %zu kB",
                        address.c_str(), granted / 1024, wanted / 1024),
                 errhint("Raise the kernel's net.core.rmem_max, or lower influx.read_buffer.")));
      }
    });
  }
}

SourceFilter Listener::allowed_sources() {
  transport::Failure failure;
  std::optional<SourceFilter> filter =
      SourceFilter::parse(postgres::settings.allowed_sources, failure);
  // The server has checked it when it was set.
  if (!filter.has_value()) {
    throw postgres::Error(ERRCODE_CONFIG_FILE_ERROR,
                          "influx.allowed_sources is malformed: " + failure.reason);
  }
  if (!filter->takes_everybody()) {
    postgres::guard([] {
      ereport(LOG, (errmsg("influx: taking datagrams of these sources only: %s",
                           postgres::settings.allowed_sources)));
    });
  }
  return std::move(*filter);
}

std::string Listener::addresses() const {
  std::string text;
  for (const UdpSocket& socket : sockets_) {
    if (!text.empty()) text += ", ";
    text += socket.endpoint().text();
  }
  return text;
}

}  // namespace influx::worker
