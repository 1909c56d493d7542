#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// Has every process of the server stop what runs in a database that it is going to drop by `DROP
/// DATABASE ... WITH (FORCE)`: its supervisor, which works as the bootstrap superuser and so is
/// nobody's to terminate but a superuser's, and its listeners, of whichever role. It is done when
/// the server has found that the current user may drop the database, and has locked it; by then
/// none of them can come back. Called once, in the postmaster, when the module is preloaded.
void watch_database_drops();

}  // namespace influx::worker
