#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

// Notifications on the channel `influx`, which sessions that LISTEN to it get when the current
// transaction has committed: `{"event": "table", "schema": ..., "table": ..., "columns": [...]}`.
// Where the columns have no room in a payload, `"more"` behind them tells how many were left out.
// All REQUIRE a transaction, and raise.

/// Tells of a table that was made, with its columns.
void announce_table(Oid table);

/// Tells of columns, of these names, that were added to a table.
void announce_columns(Oid table, std::span<const char* const> columns);

}  // namespace influx::schema
