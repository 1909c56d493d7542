#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// Whether `role` has LOGIN. Raises where there is no such role.
bool may_log_in(Oid role);

/// Whether `role` has CONNECT on the current database.
bool may_connect(Oid role);

}  // namespace influx::postgres
