#pragma once

#include "influx/ingest/attempt.h"
#include "influx/ingest/memory_budget.h"
#include "influx/ingest/row_group.h"
#include "influx/ingest/write_order.h"

namespace influx::ingest {

/// Learns what becomes of rows that are not written.
class UnwrittenRows {
 public:
  virtual ~UnwrittenRows() = default;
  /// The table refuses the row of this line.
  virtual void refuse_row(const RowGroup& group, const Line& line, const Refusal& refusal) = 0;
  /// The table has changed since these lines of it were mapped.
  virtual void map_again(const Line& line) = 0;
  /// Nothing can be written to the table of `measurement` now, for `reason`, or for a lock where
  /// that is null; these are its lines, in order of arrival. Throws std::bad_alloc where there is
  /// no memory to keep them; nothing has changed then.
  virtual void hold(const std::string& measurement, const std::vector<Line>& lines,
                    const postgres::Error* reason) = 0;
  /// Whether lines of `measurement` may wait for an error of this SQLSTATE, of kind kOutside, to
  /// pass. Else it may be the rows that are the reason.
  virtual bool may_wait(const std::string& measurement, int sqlstate) const = 0;
};

/// Writes the rows of a batch: those of each group by one statement, all of them in one transaction
/// (or as many as keep the server's lock table usable for others), as long as nothing stands
/// against it. What does is isolated step by step: a row that its table refuses costs that row, a
/// table that is locked, or that can take nothing now, costs the time of its own rows.
class BatchWriter {
 public:
  using Groups = std::vector<std::unique_ptr<RowGroup>>;

  BatchWriter(TransactionControl& transactions, UnwrittenRows& unwritten,
              MemoryBudget& budget) noexcept
      : transactions_(transactions), unwritten_(unwritten), budget_(budget) {}

  /// Writes the groups that were only mapped, and commits what was done so far in any case. When it
  /// returns true, all of them are written, or were given to UnwrittenRows. False where the server
  /// cannot write now, see failure(); what has not been written stays in `groups` for another call.
  /// Where `insist`, it does not come to that: rows that cannot be written are refused.
  ///
  /// `memory` is used for what the statements need, and lives as long as the batch. Where the
  /// transactions are the caller's, the error is thrown instead, as postgres::ServerError.
  bool write(Groups& groups, MemoryContext memory, bool insist);

  /// Gives back the memory that is kept from call to call.
  void shrink() noexcept;

  /// Why write() returned false.
  const postgres::Error& failure() const noexcept { return failure_; }

  /// Since the object was made: points that are stored for good, and transactions that had to be
  /// repeated.
  std::uint64_t stored() const noexcept { return stored_; }
  /// Those of them whose key was there already, where influx.on_conflict leaves such rows as they
  /// are.
  std::uint64_t duplicates() const noexcept { return duplicates_; }
  std::uint64_t retries() const noexcept { return retries_; }
  /// The largest time of these points, in nanoseconds since the epoch; nothing where there is none.
  std::optional<std::int64_t> newest_point_ns() const noexcept { return newest_point_ns_; }

 private:
  /// How rows are written, from fast to careful.
  enum class Mode : std::uint8_t {
    kTogether,  ///< in one transaction, unless for very many tables; each group by one statement
    kApart,     ///< the same, each group so that a refused row can be found
    kAlone,     ///< the same, each group in a transaction of its own
    kByRow,     ///< the same, and trouble of the moment that does not pass is a row's as well
  };

  bool try_to_write(Groups& groups, MemoryContext memory, Mode mode);
  void write_groups(Groups& groups);
  bool is_ready(Groups& groups, RowGroup& group);
  void gather(Groups& groups, RowGroup& group);
  void spare_memory() noexcept;
  void write_fast();
  void write_carefully();
  void write_part(std::size_t first, std::size_t count);
  void write_or_halve(std::size_t first, std::size_t count);
  void count_duplicates() noexcept;
  bool is_for_lost_name(int sqlstate) const noexcept;
  bool is_about_rows(int sqlstate) const;
  bool may_hold(const RowGroup& group);
  void pass_over(Groups& groups, const RowGroup& group) noexcept;
  void put_off(Groups& groups, const RowGroup& group, const postgres::Error* reason);
  void refuse(RowGroup& group, const Refusal& refusal);
  void settle_states(Groups& groups, bool committed) noexcept;

  TransactionControl& transactions_;
  UnwrittenRows& unwritten_;
  MemoryBudget& budget_;
  RowGroup* current_ = nullptr;  ///< the one being written; null at the end of a transaction of all
  postgres::Error failure_{0, ""};
  bool insist_ = false;
  Mode mode_ = Mode::kTogether;  ///< of the attempt under way
  bool is_for_all_ = false;      ///< what was met last stands against the rows of all tables
  std::vector<Line> put_off_;    ///< for put_off()
  /// What is being written: a group, or all groups of a table that have the same arbiter.
  std::vector<RowGroup*> together_;
  WriteOrder order_;  ///< of their rows
  std::uint64_t stored_ = 0;
  std::uint64_t duplicates_ = 0;
  std::uint64_t retries_ = 0;
  std::optional<std::int64_t> newest_point_ns_;
};

}  // namespace influx::ingest
