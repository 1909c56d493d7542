#include "influx/worker/listener.h"

#include <cerrno>

#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"

namespace influx::worker {

using transport::Endpoint;
using transport::Failure;
using transport::SourceFilter;
using transport::UdpSocket;

namespace {

/// Whether the kernel was built or configured without the family of an address. Without IPv6 on the
/// loopback interface it knows the family, and not the address.
bool is_missing_family(const Endpoint& endpoint, int error_number) noexcept {
  return error_number == EAFNOSUPPORT ||
         (error_number == EADDRNOTAVAIL && endpoint.text().starts_with("[::1]"));
}

postgres::Error bind_error(const Endpoint& endpoint, const Failure& failure) {
  int sqlstate = ERRCODE_SYSTEM_ERROR;
  const char* hint = "";
  if (failure.error_number == EADDRINUSE) {
    sqlstate = ERRCODE_OBJECT_IN_USE;
    hint = "Another program listens on this port. Choose another one, or stop that program.";
  } else if (failure.error_number == EACCES) {
    sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
    hint = "Ports below 1024 are for privileged processes; choose a higher one.";
  } else if (failure.error_number == EADDRNOTAVAIL) {
    sqlstate = ERRCODE_CONFIG_FILE_ERROR;
    hint = "Check influx.listen_addresses: this machine does not have the address.";
  }
  return {sqlstate,
          "could not bind UDP socket to " + endpoint.text() + ": " + failure.reason,
          {},
          hint};
}

/// The addresses named by the setting, one a string. Throws where the list is malformed.
std::vector<std::string> address_list() {
  List* list = NIL;
  const bool valid = postgres::guard(
      [&] { return postgres::split_list(postgres::settings.listen_addresses, &list); });
  if (!valid)
    throw postgres::Error(ERRCODE_CONFIG_FILE_ERROR, "influx.listen_addresses is malformed");
  std::vector<std::string> addresses;
  const ListCell* cell = nullptr;
  foreach (cell, list) {
    addresses.emplace_back(static_cast<const char*>(lfirst(cell)));
  }
  return addresses;
}

}  // namespace

std::vector<Endpoint> Listener::wanted() const {
  std::vector<Endpoint> endpoints;
  for (const std::string& address : address_list()) {
    Failure failure;
    const std::vector<Endpoint> found = transport::listen_endpoints(address, port_, failure);
    if (found.empty()) {
      throw postgres::Error(
          ERRCODE_CONFIG_FILE_ERROR,
          "could not resolve address \"" + address + "\" to listen on: " + failure.reason, {},
          "Check influx.listen_addresses.");
    }
    for (const Endpoint& endpoint : found) {
      if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) {
        endpoints.push_back(endpoint);
      }
    }
  }
  return endpoints;
}

std::vector<UdpSocket> Listener::configure() {
  const std::vector<Endpoint> endpoints = wanted();
  std::vector<UdpSocket> opened;
  std::optional<postgres::Error> passed_over;
  for (const Endpoint& endpoint : endpoints) {
    const bool open = std::any_of(sockets_.begin(), sockets_.end(), [&](const UdpSocket& socket) {
      return socket.endpoint() == endpoint;
    });
    if (open) continue;
    Failure failure;
    std::optional<UdpSocket> socket = UdpSocket::bind(endpoint, failure);
    if (socket.has_value()) {
      opened.push_back(std::move(*socket));
    } else if (is_missing_family(endpoint, failure.error_number) && endpoints.size() > 1) {
      passed_over = bind_error(endpoint, failure);
    } else {
      throw bind_error(endpoint, failure);
    }
  }

  const auto unwanted =
      std::stable_partition(sockets_.begin(), sockets_.end(), [&](const UdpSocket& socket) {
        return std::find(endpoints.begin(), endpoints.end(), socket.endpoint()) != endpoints.end();
      });
  if (unwanted == sockets_.begin() && opened.empty() && passed_over.has_value()) throw *passed_over;
  if (passed_over.has_value()) ereport(LOG, (errmsg("influx: %s", passed_over->what())));
  std::vector<UdpSocket> given_up(std::make_move_iterator(unwanted),
                                  std::make_move_iterator(sockets_.end()));
  sockets_.erase(unwanted, sockets_.end());
  for (UdpSocket& socket : opened)
    sockets_.push_back(std::move(socket));
  set_read_buffers();
  return given_up;
}

void Listener::set_read_buffers() {
  const std::size_t wanted = static_cast<std::size_t>(postgres::settings.read_buffer) * 1024;
  read_buffer_ = SIZE_MAX;
  for (UdpSocket& socket : sockets_) {
    const std::size_t granted = socket.set_read_buffer(wanted);
    read_buffer_ = std::min(read_buffer_, granted);
    const std::string address = socket.endpoint().text();
    if (granted >= wanted) {
      ereport(LOG, (errmsg("influx: listening on %s with a read buffer of %zu kB", address.c_str(),
                           granted / 1024)));
    } else {
      ereport(WARNING,
              (errmsg("influx: listening on %s with a read buffer of %zu kB instead of %zu kB",
                      address.c_str(), granted / 1024, wanted / 1024),
               errhint("Raise the kernel's net.core.rmem_max, or lower influx.read_buffer.")));
    }
  }
}

SourceFilter Listener::allowed_sources() {
  Failure failure;
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
