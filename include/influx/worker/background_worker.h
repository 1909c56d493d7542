#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// What all processes of the module have in common: they run `function` of it, are shown as `type`,
/// connect to a database, and start where the server is not, or no more, a standby. The caller
/// fills in the rest.
BackgroundWorker background_worker(const char* function, const char* type, int restart_time);

}  // namespace influx::worker
