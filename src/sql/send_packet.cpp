// send_packet(): sends one datagram.

#include <cerrno>

#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/sql/arguments.h"
#include "influx/transport/lookup.h"
#include "influx/transport/udp_socket.h"
#include "influx/worker/addresses.h"

namespace {

using influx::postgres::Error;
using influx::transport::Failure;

/// The addresses of a host, on `port`. Waits for the name server, and can be cancelled meanwhile.
std::vector<influx::transport::Endpoint> endpoints_of(std::string_view hostname, std::uint16_t port,
                                                      Failure& failure) {
  using influx::transport::Lookup;
  const auto lookup = Lookup::begin({std::string(hostname)}, Lookup::Use::kSend, failure);
  if (lookup == nullptr) return {};
  influx::worker::wait_for(*lookup);
  failure = lookup->found().front().failure;
  std::vector<influx::transport::Endpoint> endpoints = lookup->found().front().endpoints;
  for (influx::transport::Endpoint& endpoint : endpoints)
    endpoint = endpoint.with_port(port);
  return endpoints;
}

/// Throws what keeps the packet from being sent.
void send(std::string_view packet, std::string_view service, std::string_view hostname) {
  const std::uint16_t port = influx::sql::port_of_service(service);
  Failure failure;
  const auto endpoints = endpoints_of(hostname, port, failure);
  if (endpoints.empty()) {
    throw Error(ERRCODE_INVALID_PARAMETER_VALUE,
                "could not resolve host \"" + std::string(hostname) + "\": " + failure.reason, {},
                "Give a host name or an IPv4 or IPv6 address.");
  }
  if (influx::transport::send_datagram(endpoints, packet, failure)) return;
  if (failure.error_number == EMSGSIZE) {
    throw Error(ERRCODE_PROGRAM_LIMIT_EXCEEDED,
                "packet of " + std::to_string(packet.size()) + " bytes is too large for a datagram",
                {},
                "A UDP datagram carries at most 65507 bytes; send the lines in several packets.");
  }
  throw Error(ERRCODE_CONNECTION_FAILURE,
              "could not send packet to \"" + std::string(hostname) + "\", port " +
                  std::to_string(port) + ": " + failure.reason,
              {}, failure.error_number == ECONNREFUSED ? "Nothing listens on this port." : "");
}

Datum send_packet(FunctionCallInfo fcinfo, bool service_is_integer) {
  using influx::sql::text_argument;
  influx::sql::require_argument(fcinfo, 0, "packet");
  influx::sql::require_argument(fcinfo, 2, "hostname");
  const std::string_view packet = influx::postgres::to_utf8(text_argument(fcinfo, 0));
  const std::string_view service = influx::sql::service_argument(fcinfo, 1, service_is_integer);
  send(packet, service, text_argument(fcinfo, 2));
  PG_RETURN_VOID();
}

}  // namespace

INFLUX_FUNCTION(influx_send_packet) {
  return send_packet(fcinfo, false);
}
INFLUX_FUNCTION(influx_send_packet_port) {
  return send_packet(fcinfo, true);
}
