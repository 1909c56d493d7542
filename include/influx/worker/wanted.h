#pragma once

#include "influx/worker/launch_arguments.h"
#include "influx/worker/listener_table.h"

namespace influx::worker {

/// A process that should be there, as the table of listeners says. Plain data.
struct WantedProcess {
  LaunchArguments arguments;  ///< without token; and without what is not there
  const char* listener;       ///< its name in the table
  int ordinal;                ///< among the processes of the listener, from 1
  std::uint64_t overrides;    ///< of its row
  int sqlstate;               ///< of the objection
  const char* objection;      ///< what stands against it, or nullptr
};

/// What should be there of a table, in the current memory context. Names become what they stand for
/// now. A listener works as a role only where the owner of the table could do so too: whoever can
/// write the table must not gain the rights of others by it. REQUIRES: a transaction. May raise.
std::span<WantedProcess> wanted_processes(const ListenerTable& table);

}  // namespace influx::worker
