#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

// What transactions have counted that were prepared for a commit in two phases. Who ends them, in
// whatever session and database, knows nothing of it, and need not have loaded this library: so the
// counts are kept in shared memory, by transaction, until somebody who looks at counts, or lacks
// room here, finds in the server's own records how the transaction has ended.

/// What a prepared transaction has done to a table. Plain data.
struct PreparedCounts {
  FullTransactionId transaction{};
  Oid database = InvalidOid;
  Oid table = InvalidOid;
  std::uint64_t points = 0;
  std::uint64_t columns = 0;
  TimestampTz prepared = 0;

  bool is_of(const PreparedCounts& other) const noexcept {
    return FullTransactionIdEquals(transaction, other.transaction) && database == other.database &&
           table == other.table;
  }
};

/// The number of tables in prepared transactions for which there is room. What goes beyond is not
/// counted.
inline constexpr std::uint32_t kMostPreparedCounts = 4096;

/// Attaches the memory; before that nothing is kept. Does nothing where the server allows no
/// prepared transactions. REQUIRES: a transaction. Raises.
void start_keeping_prepared_counts();

/// Whether there is room for the counts of so many tables.
bool has_room_for_prepared_counts(std::size_t tables) noexcept;

/// Keeps what the current transaction, which is being prepared, has counted for a table.
void keep_prepared_counts(const PreparedCounts& counts) noexcept;

/// Calls `add` for the counts of each transaction that has been committed since it was prepared,
/// and forgets those and the ones that were rolled back. REQUIRES: a transaction. Raises.
void settle_prepared_counts(void (*add)(const PreparedCounts& counts));

}  // namespace influx::schema
