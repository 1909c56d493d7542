#pragma once

#include "influx/worker/launch_arguments.h"
#include "influx/worker/listener_table.h"
#include "influx/worker/process_limits.h"
#include "influx/worker/registry.h"

namespace influx::worker {

/// A process that should be there, as the table of listeners says. Plain data.
struct WantedProcess {
  LaunchArguments arguments;  ///< without token; and without what is not there
  const char* listener;       ///< its name in the table
  const char* role;           ///< its name
  int ordinal;                ///< among the processes of the listener, from 1
  std::uint64_t overrides;    ///< of its row
  ProcessLimits limits;       ///< of its role
  int sqlstate;               ///< of the objection
  const char* objection;      ///< what stands against it, or nullptr
};

/// What should be there, as far as there is room for it. Plain data.
struct Wanted {
  std::span<WantedProcess> processes;
  const char* left_out;  ///< a listener for which there is no room, or nullptr
};

/// What should be there of the table of listeners of the current database, in the current memory
/// context. Of a table of any size no more is kept than most_supervised() processes, and those of
/// listeners that have an entry in `there` already, which come first. Names become what they stand
/// for now. A listener works as a role only where the owner of the table could do so too: whoever
/// can write the table must not gain the rights of others by it. Waits where somebody has the table
/// locked. REQUIRES: a transaction. May raise.
Wanted wanted_processes(std::span<const ListenerStatus> there);

}  // namespace influx::worker
