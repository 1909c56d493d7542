#pragma once

#include "influx/schema/objection.h"

namespace influx::schema {

/// Holds the tables of one schema against `influx.max_tables`.
///
/// What counts is what a measurement can be stored in: tables, partitioned tables, foreign tables
/// and views. Partitions count with their table.
///
/// Whether there is room is roughly true, so that a flood of names costs little: the number is read
/// from the catalog once in a second or less often, and the tables that were made since are added
/// to it. What others make and drop is seen when it is read again. A table that was made on the
/// ground of that is counted again, exactly, before it is committed: check_made().
class TableLimit {
 public:
  explicit TableLimit(Oid namespace_oid) noexcept : namespace_oid_(namespace_oid) {}

  /// Whether one more table may be made, beside those that are promised. REQUIRES: a transaction.
  /// Raises.
  bool has_room();

  /// To be called before a table is made, for check_made(). `by_user` tells that a function of the
  /// user makes it, which may make others with it. REQUIRES: a transaction. Raises.
  void start_making(bool by_user);

  /// Whether the table that was just made, in the open transaction, is one that may be: with those
  /// that others are making at the same moment there are no more than the limit. What else a
  /// function of the user has made with it does not count. Two that make the last one at once may
  /// both be told no; no limit is passed by the others waiting for one of them. REQUIRES: a
  /// transaction. Raises.
  bool check_made();

  /// Notes that a table is going to be made.
  void promise() noexcept { ++promised_; }
  /// Notes that a promised table was made, or could not be.
  void settle(bool made) noexcept;
  /// Notes that no promised table is going to be made.
  void forget_promises() noexcept { promised_ = 0; }

 private:
  void count();

  Oid namespace_oid_;
  std::size_t tables_ = 0;
  std::size_t promised_ = 0;
  std::size_t ours_ = 0;  ///< made by the transaction before start_making()
  bool by_user_ = false;
  std::int64_t until_ns_ = 0;  ///< the count is good until then, on the monotonic clock
};

/// Why a table with `width` columns, dropped ones included, gets no more: `influx.max_columns`, or
/// the server's own limit. The end of a sentence; null where it can get more. `hint` tells what can
/// be done.
const char* width_refusal(std::size_t width, const char** hint) noexcept;

}  // namespace influx::schema
