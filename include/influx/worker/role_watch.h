#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// Lets role_was_dropped() learn of changes of roles. Called once in a process. May raise.
void watch_roles();

/// Whether `role` is gone: sessions live on without theirs. Looks into the catalog only where some
/// role was changed, as far as this process knows, which is what its transactions were told.
/// REQUIRES: no transaction. May raise.
bool role_was_dropped(Oid role);

}  // namespace influx::worker
