#pragma once

#include "influx/line_protocol/precision.h"
#include "influx/postgres/server.h"

namespace influx::worker {

/// What a listener is to do, and what it is called. Plain data: the postmaster keeps it, and hands
/// it to each process that it starts for the listener.
struct LaunchArguments {
  std::uint64_t token = 0;  ///< tells this listener from all others
  Oid database = InvalidOid;
  Oid role = InvalidOid;
  Oid namespace_oid = InvalidOid;
  int encoding = 0;               ///< of the database, and so of the name
  char schema[NAMEDATALEN] = {};  ///< the name of the schema when the listener was launched
  std::uint16_t port = 0;
  line_protocol::Precision precision = line_protocol::Precision::kNanosecond;
  bool supervised = false;  ///< by the supervisor of the database; else launched by SQL

  // Of a process that was started to follow another one of the listener, and of those started in
  // its place later; 0 else. See worker/succession.h.
  std::uint64_t succession = 0;  ///< tells it from the others
  TimestampTz table_made = 0;    ///< the table of listeners, by which a crash is known
};
static_assert(std::is_trivially_copyable_v<LaunchArguments>);
static_assert(sizeof(LaunchArguments) <= BGW_EXTRALEN, "the postmaster keeps no more");

}  // namespace influx::worker
