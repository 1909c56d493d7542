#pragma once

#include "influx/worker/launch_arguments.h"

namespace influx::worker {

/// What is told where there is no worker slot for a listener.
inline constexpr const char* kNoSlot = "no background worker slot is free for the listener";

/// Starts a background worker and waits until it listens. Returns its pid. Raises what keeps it
/// from listening, with the worker's own words; then no worker is left. The token of the arguments
/// is chosen here.
int launch(LaunchArguments arguments);

/// A number that no other listener of the server has. May raise.
std::uint64_t random_token();

/// Has the postmaster start a process for a supervised listener, whose entry there is. It is not
/// started again by the postmaster, which tells this process when it ends. Returns its handle, in
/// the current memory context, or nullptr where no worker slot is free.
BackgroundWorkerHandle* start_supervised(const LaunchArguments& arguments);

/// Has the postmaster start a process that is to follow this one, and start it again as it would
/// this one; it tells this process when it starts and ends. Returns as above.
BackgroundWorkerHandle* start_successor(const LaunchArguments& arguments);

}  // namespace influx::worker
