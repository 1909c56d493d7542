#pragma once

#include "influx/worker/process_limits.h"
#include "influx/worker/registry.h"

namespace influx::worker {

// The launcher's side of the table of listeners. It makes the entry before it registers the worker:
// so whether there may be one more is decided once, under the table's lock.

/// Makes an entry for a listener that is going to be launched. Raises where there is no room for
/// it, or `limits` do not allow it.
void open_launched(const LaunchArguments& arguments, const ProcessLimits& limits);
/// Frees the entry, unless a process has taken it over, which then does it. Does nothing where
/// there is none.
void close_launched(std::uint64_t token) noexcept;

}  // namespace influx::worker
