#pragma once

#include "influx/schema/arbiter.h"

namespace influx::ingest {

/// The name of the table in a statement with an ON CONFLICT clause.
inline constexpr const char* kConflictTarget = "influx_target";

/// Writes the ON CONFLICT clause of an INSERT into the `columns` of `table`, which it calls
/// kConflictTarget. Where `merge`, a row that is there takes the values that are not NULL, and the
/// members of `_tags` and `_fields`; else it stays as it is.
void append_conflict_clause(StringInfo sql, const schema::Table& table,
                            std::span<const schema::ColumnIndex> columns,
                            const schema::Arbiter& arbiter, bool merge);

}  // namespace influx::ingest
