#pragma once

#include "influx/schema/objection.h"

namespace influx::schema {

/// Holds the tables of one schema against `influx.max_tables`.
///
/// What counts is what a measurement can be stored in: tables, partitioned tables, foreign tables
/// and views. Partitions count with their table.
///
/// The number is roughly true, so that a flood of names costs little: it is read from the catalog
/// once in a second or less often, and the tables that were made since are added to it. What others
/// make and drop is seen when it is read again.
class TableLimit {
 public:
  explicit TableLimit(Oid namespace_oid) noexcept : namespace_oid_(namespace_oid) {}

  /// Whether one more table may be made, beside those that are promised. REQUIRES: a transaction.
  /// Raises.
  bool has_room();

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
  std::int64_t until_ns_ = 0;  ///< the count is good until then, on the monotonic clock
};

/// Why a table with `width` columns, dropped ones included, gets no more: `influx.max_columns`, or
/// the server's own limit. The end of a sentence; null where it can get more. `hint` tells what can
/// be done.
const char* width_refusal(std::size_t width, const char** hint) noexcept;

}  // namespace influx::schema
