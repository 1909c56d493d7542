#pragma once

#include "influx/postgres/server.h"

namespace influx::sql {

/// Where a listener listens, as the table says. Plain data.
struct ListenerPort {
  const char* name;     ///< of the listener
  const char* address;  ///< nullptr: influx.listen_addresses
  const char* service;
};

// Both throw postgres::Error.

/// Throws where the port or an address cannot be resolved, or this server can never bind it.
void check_port(const ListenerPort& listener);

/// Throws where one of `others` has the same port on one of the addresses: the kernel would divide
/// the datagrams between them. Of the others, what cannot be resolved is passed over.
/// REQUIRES: check_port() has let the listener pass.
void check_port_is_free(const ListenerPort& listener, std::span<const ListenerPort> others);

}  // namespace influx::sql
