#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

/// Whether a trigger of the relation may change rows before they are inserted, their keys too.
bool has_changing_trigger(Relation relation) noexcept;

/// Whether something beside its columns sees the rows of the relation one by one, or refuses some:
/// a trigger, a constraint, a policy for the current user, a generated column, or an index over an
/// expression or over some of the rows. One unique index counts as a key, and not here. For a
/// partitioned table it is about the table itself, not about single partitions. Raises.
bool checks_rows(Relation relation);

}  // namespace influx::schema
