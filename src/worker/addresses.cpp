#include "influx/worker/addresses.h"

#include <cerrno>

#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/worker/claims.h"
#include "influx/worker/overrides.h"
#include "influx/worker/signals.h"

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

namespace {

/// The elements of the list. Throws where it is malformed.
std::vector<std::string> hosts_of(const AddressList& addresses) {
  List* list = NIL;
  if (!postgres::guard([&] { return postgres::split_list(addresses.text, &list); })) {
    throw postgres::Error(addresses.sqlstate, "the list of addresses to listen on is malformed", {},
                          std::string("Check ") + addresses.source + ".");
  }
  std::vector<std::string> hosts;
  const ListCell* cell = nullptr;
  foreach (cell, list) {
    hosts.emplace_back(static_cast<const char*>(lfirst(cell)));
  }
  return hosts;
}

/// Begins to look the addresses up. Throws where that cannot be begun.
std::unique_ptr<transport::Lookup> begin_lookup(const AddressList& addresses) {
  transport::Failure failure;
  auto lookup =
      transport::Lookup::begin(hosts_of(addresses), transport::Lookup::Use::kListen, failure);
  if (lookup == nullptr) {
    throw postgres::Error(ERRCODE_INSUFFICIENT_RESOURCES,
                          "could not resolve the addresses to listen on: " + failure.reason);
  }
  return lookup;
}

}  // namespace

Resolution::Resolution(const AddressList& addresses, std::uint16_t port)
    : sqlstate_(addresses.sqlstate),
      source_(addresses.source),
      port_(port),
      lookup_(begin_lookup(addresses)) {}

std::vector<Endpoint> Resolution::endpoints() const {
  const std::string check = std::string("Check ") + source_ + ".";
  std::vector<Endpoint> endpoints;
  const auto& hosts = lookup_->hosts();
  const auto& found = lookup_->found();
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    if (found[i].endpoints.empty()) {
      throw postgres::Error(
          sqlstate_,
          "could not resolve address \"" + hosts[i] + "\" to listen on: " + found[i].failure.reason,
          {}, check);
    }
    for (const Endpoint& address : found[i].endpoints) {
      const Endpoint endpoint = address.with_port(port_);
      if (std::find(endpoints.begin(), endpoints.end(), endpoint) == endpoints.end())
        endpoints.push_back(endpoint);
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

void wait_readable(int descriptor) {
  WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, descriptor,
                    -1, postgres::listener_wait_event());
  ResetLatch(MyLatch);
  end_if_requested();
  CHECK_FOR_INTERRUPTS();
}

std::vector<Endpoint> resolve(const AddressList& addresses, std::uint16_t port) {
  const Resolution resolution(addresses, port);
  wait_for(resolution);
  return resolution.endpoints();
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
