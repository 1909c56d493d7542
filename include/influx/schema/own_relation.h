#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

/// The relation `name` that belongs to the extension, wherever its schema is; InvalidOid where the
/// extension, or the relation, is not there. A relation that merely has the name is not found.
/// REQUIRES: a transaction. Raises.
Oid own_relation(const char* name);

}  // namespace influx::schema
