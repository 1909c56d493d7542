#pragma once

#include "influx/postgres/server.h"

namespace influx::ingest {

/// Holds the table of refused lines to `influx.max_rejects` and `influx.max_reject_bytes`, beside
/// others that write it too. Bounds are passed by a thirty-second part at most before the oldest
/// rows go; those of up to a thousand rows are not passed at all.
///
/// What a call costs does not depend on what was deleted before: rows that are dead, and that a
/// session with an old snapshot keeps in the table, lie below the id at which the next deletion
/// begins. They count on disk: beyond twice the bound in bytes the table is not written while it
/// grows.
///
/// All functions but fits() REQUIRE a transaction with SPI connected, and that the current user is
/// the owner of the table. They raise.
class RejectBounds {
 public:
  /// What one row counts, beside the texts that it has.
  static constexpr std::size_t kBytesOfRow = 200;

  /// Whether so many rows of so many bytes are within the bounds.
  static bool fits(std::size_t rows, std::size_t bytes) noexcept;

  /// To be called before rows are written: how many of `rows` may be. Less than all of them where
  /// the table has grown beyond its bound on disk: a few now and then, to see whether there is room
  /// in it again; else none.
  std::size_t start(Oid table, std::size_t rows);

  /// To be called when so many rows, of so many bytes, were written: deletes the oldest rows beyond
  /// the bounds, where it may have come to that.
  void finish(Oid table, std::size_t rows, std::size_t bytes);

  /// What the last calls did was rolled back.
  void forget() noexcept {
    counted_ = {};
    first_ = INT64_MIN;
  }

 private:
  struct Count {
    bool known = false;
    std::int64_t newest = 0;  ///< id
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    std::int64_t beyond = 0;  ///< the newest id beyond the bounds; 0 where none is
  };

  bool is_due(Oid table);
  void count(Oid table);
  void delete_oldest(Oid table);

  Count counted_;
  std::int64_t rows_since_ = 0;   ///< written by this process since they were counted
  std::int64_t bytes_since_ = 0;  ///< likewise
  std::int64_t count_again_ns_ = 0;

  std::int64_t first_ = INT64_MIN;  ///< rows of lower ids were deleted
  std::int64_t from_start_ns_ = 0;  ///< when `first_` is forgotten: rows may have been locked

  std::uint64_t size_before_ = 0;  ///< on disk
  std::int64_t paused_until_ns_ = 0;
};

}  // namespace influx::ingest
