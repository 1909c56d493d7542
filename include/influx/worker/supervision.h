#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// Whether something keeps the listeners of a database as its table influx_listeners says.
enum class Supervision : std::uint8_t {
  kNotPreloaded,  ///< the module is not in shared_preload_libraries
  kNotNamed,      ///< influx.databases does not name the database
  kOff,           ///< named, but no supervisor is there now
  kOn,
};

/// The supervision of the current database. REQUIRES: a transaction. May raise.
Supervision supervision();

/// Wakes up the supervisor of the current database when the current transaction has committed; it
/// then compares what runs with the table influx_listeners. Does nothing where there is none. Such
/// a transaction cannot be prepared for a commit in two phases. REQUIRES: a transaction. May raise.
void wake_supervisor_at_commit();

/// Has every process of the server do that where the table influx_listeners is dropped, with its
/// extension, or renamed. Called once, in the postmaster, when the module is preloaded.
void watch_listener_table();

}  // namespace influx::worker
