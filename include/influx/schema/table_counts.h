#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

// What has happened to each table, counted by all processes of the server in shared memory, for the
// view pg_stat_influx_tables. Counting never raises and waits for nobody who looks: where it cannot
// be done, it is not done.

/// What was counted for a table.
struct TableCounts {
  Oid table = InvalidOid;
  std::uint64_t points = 0;
  std::uint64_t rejects = 0;
  std::uint64_t columns_added = 0;
  TimestampTz last_insert = 0;  ///< 0 where there was none
};

/// The number of tables, of all databases, for which there is room. Further ones are not counted.
inline constexpr std::uint32_t kMostCountedTables = 20000;

/// Makes this process ready to count; until then the functions that count do nothing. What stands
/// against it is told in the server log, once. REQUIRES: a transaction. May raise where there is no
/// memory for a message.
void start_counting_tables();

/// Counts points that the current transaction has stored, and columns that it has added: when it
/// has committed, also in two phases, and as far as no subtransaction in between is rolled back.
void count_points(Oid table, std::uint64_t points) noexcept;
void count_columns(Oid table, std::uint64_t columns) noexcept;

/// Counts lines that were refused, at once.
void count_rejects(Oid table, std::uint64_t lines) noexcept;

/// Whether this process has met a table for which there was no room, since the last
/// remove_dropped_tables().
bool lacks_room_for_tables() noexcept;

/// Frees the room of tables that have been dropped, in this database or with theirs. REQUIRES: a
/// transaction. Raises.
void remove_dropped_tables();

/// What was counted for the tables of the current database, those that have been dropped included,
/// in the current memory context. REQUIRES: a transaction. Raises.
std::span<TableCounts> table_counts();

/// Sets what was counted for the tables of the current database to zero. REQUIRES: a transaction.
/// Raises.
void reset_table_counts();

}  // namespace influx::schema
