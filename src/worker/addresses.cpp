#include "influx/worker/addresses.h"

#include <cerrno>

#include "influx/postgres/settings.h"
#include "influx/worker/claims.h"
#include "influx/worker/overrides.h"

namespace influx::worker {

using transport::Endpoint;

AddressList addresses_of_settings() {
  const char* setting = "influx.listen_addresses";
  if (is_overridden(setting)) {
    // They were accepted when they were entered: now it is the machine that does not have them.
    return {postgres::settings.listen_addresses, ERRCODE_SYSTEM_ERROR, kAddressesOfListener};
  }
  return {postgres::settings.listen_addresses, ERRCODE_CONFIG_FILE_ERROR, setting};
}

std::vector<Endpoint> resolve(const AddressList& addresses, std::uint16_t port) {
  const std::string check = std::string("Check ") + addresses.source + ".";
  List* list = NIL;
  if (!postgres::guard([&] { return postgres::split_list(addresses.text, &list); })) {
    throw postgres::Error(addresses.sqlstate, "the list of addresses to listen on is malformed", {},
                          check);
  }
  std::vector<Endpoint> endpoints;
  const ListCell* cell = nullptr;
  foreach (cell, list) {
    const auto* address = static_cast<const char*>(lfirst(cell));
    transport::Failure failure;
    const std::vector<Endpoint> found = transport::listen_endpoints(address, port, failure);
    if (found.empty()) {
      throw postgres::Error(addresses.sqlstate,
                            "could not resolve address \"" + std::string(address) +
                                "\" to listen on: " + failure.reason,
                            {}, check);
    }
    for (const Endpoint& endpoint : found) {
      if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end()) {
        endpoints.push_back(endpoint);
      }
    }
  }
  if (endpoints.size() > kMostAddresses) {
    throw postgres::Error(
        ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
        "a listener cannot listen on " + std::to_string(endpoints.size()) + " addresses",
        "It has " + std::to_string(kMostAddresses) + " at most.", check);
  }
  return endpoints;
}

bool is_missing_family(const Endpoint& endpoint, int error_number) noexcept {
  // Without IPv6 on the loopback interface it knows the family, and not the address.
  return error_number == EAFNOSUPPORT ||
         (error_number == EADDRNOTAVAIL && endpoint.text().starts_with("[::1]"));
}

postgres::Error bind_error(const Endpoint& endpoint, const transport::Failure& failure,
                           const AddressList& addresses) {
  int sqlstate = ERRCODE_SYSTEM_ERROR;
  std::string hint;
  if (failure.error_number == EADDRINUSE) {
    sqlstate = ERRCODE_OBJECT_IN_USE;
    hint = "Another program listens on this port. Choose another one, or stop that program.";
  } else if (failure.error_number == EACCES) {
    sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
    hint = "Ports below 1024 are for privileged processes; choose a higher one.";
  } else if (failure.error_number == EADDRNOTAVAIL) {
    sqlstate = addresses.sqlstate;
    hint = std::string("Check ") + addresses.source + ": this machine does not have the address.";
  }
  return {sqlstate,
          "could not bind UDP socket to " + endpoint.text() + ": " + failure.reason,
          {},
          hint};
}

}  // namespace influx::worker
