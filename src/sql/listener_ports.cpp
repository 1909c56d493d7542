#include "influx/sql/listener_ports.h"

#include "influx/sql/arguments.h"
#include "influx/transport/endpoint_key.h"
#include "influx/transport/udp_socket.h"
#include "influx/worker/addresses.h"

namespace influx::sql {

namespace {

using transport::Endpoint;
using transport::EndpointKey;
using transport::Failure;
using worker::AddressList;

AddressList addresses_of(const ListenerPort& listener) {
  if (listener.address == nullptr) return worker::addresses_of_settings();
  return {listener.address, ERRCODE_INVALID_PARAMETER_VALUE, worker::kAddressesOfListener};
}

/// Empty where something is not known now. A name may be known later: then nobody can help it.
std::vector<Endpoint> endpoints_if_known(const ListenerPort& listener) {
  Failure failure;
  const std::optional<std::uint16_t> port = transport::udp_port(listener.service, failure);
  if (!port.has_value()) return {};
  try {
    return worker::resolve(addresses_of(listener), *port);
  } catch (const postgres::Error&) {
    return {};
  }
}

}  // namespace

void check_port(const ListenerPort& listener) {
  const std::uint16_t port = port_of_service(listener.service);
  const AddressList addresses = addresses_of(listener);
  const std::vector<Endpoint> endpoints = worker::resolve(addresses, port);
  std::optional<postgres::Error> passed_over;
  std::size_t count = 0;
  for (const Endpoint& endpoint : endpoints) {
    Failure failure;
    if (transport::may_bind(endpoint, failure)) {
      ++count;
      continue;
    }
    passed_over = worker::bind_error(endpoint, failure, addresses);
    if (!worker::is_missing_family(endpoint, failure.error_number)) throw *passed_over;
  }
  if (count == 0 && passed_over.has_value()) throw *passed_over;
}

void check_port_is_free(const ListenerPort& listener, std::span<const ListenerPort> others) {
  const std::vector<Endpoint> endpoints = endpoints_if_known(listener);
  for (const ListenerPort& other : others) {
    for (const Endpoint& taken : endpoints_if_known(other)) {
      for (const Endpoint& endpoint : endpoints) {
        if (!EndpointKey(endpoint).overlaps(EndpointKey(taken))) continue;
        throw postgres::Error(
            ERRCODE_OBJECT_IN_USE,
            "listener \"" + std::string(other.name) + "\" takes port " +
                std::to_string(endpoint.port()) + " already",
            "Both would listen on " + endpoint.text() +
                ", and the kernel would divide the datagrams between them.",
            "Choose another port or address, or stop that listener; for more processes on one "
            "port, give it more workers.");
      }
    }
  }
}

}  // namespace influx::sql
