#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// What all processes of the module have in common: they run `function` of it, are shown as `type`,
/// connect to a database, and start where the server is not, or no more, a standby. The caller
/// fills in the rest.
BackgroundWorker background_worker(const char* function, const char* type, int restart_time);

/// Waits until `deadline_ns` of the monotonic clock, or until something sets the latch of this
/// process, which is reset then. False, at once, where that time has come.
bool wait_until(std::int64_t deadline_ns, std::uint32_t wait_event);

}  // namespace influx::worker
