#pragma once

#include "influx/ingest/insert_plan.h"
#include "influx/ingest/refusal.h"
#include "influx/schema/table.h"

namespace influx::ingest {

/// Rows of one batch for one table and one set of columns, with the lines that they came from.
class RowGroup {
 public:
  /// How far the rows have come.
  enum class State : std::uint8_t {
    kMapped,   ///< not in the table
    kWritten,  ///< inserted by the open transaction
    kDone,     ///< there for good, or given to somebody else
  };

  /// `memory` is where the rows are kept: they go with it, not with the group.
  RowGroup(std::shared_ptr<const schema::Table> table, std::shared_ptr<InsertPlan> plan,
           MemoryContext memory);
  RowGroup(const RowGroup&) = delete;
  RowGroup& operator=(const RowGroup&) = delete;

  const schema::Table& table() const noexcept { return *table_; }
  const InsertPlan& plan() const noexcept { return *plan_; }
  const std::vector<Line>& lines() const noexcept { return lines_; }

  /// About how many bytes a row takes beside its tuple: its line, its time, and its place in the
  /// lists that BatchWriter makes of rows.
  static constexpr std::size_t kBytesBeside = 128;

  /// Adds a row of the plan's descriptor, which is copied. `time_ns` is the time of the point, in
  /// nanoseconds since the epoch. Raises.
  void append(MinimalTuple row, const Line& line, std::int64_t time_ns);

  /// Inserts all rows that were not refused, by one statement. Returns how many were found to be
  /// there already, where that leaves them as they are. REQUIRES: a transaction with SPI connected.
  /// Raises.
  std::uint64_t insert();

  /// The same for some of the rows, by number in ascending order. Where `combined` is not null, it
  /// is written in place of the row.
  std::uint64_t insert(std::span<const std::uint32_t> rows, std::span<const MinimalTuple> combined);

  /// Gives back what the plan has prepared; it is prepared again where it is used again.
  void release_plan() noexcept { plan_->release(); }
  /// About how many bytes it has prepared since this was asked last.
  std::size_t take_bytes_prepared() noexcept { return plan_->take_bytes_prepared(); }

  /// A row, in memory that lives as long as the rows. Raises.
  MinimalTuple row(std::size_t number);

  /// Notes that a row was refused by the table; each at most once.
  void mark_refused(std::size_t row);
  bool refused(std::size_t row) const noexcept { return !refused_.empty() && refused_[row]; }
  /// The number of rows that were not refused.
  std::size_t accepted() const noexcept { return lines_.size() - refused_count_; }
  /// The largest time of these. REQUIRES: accepted() > 0.
  std::int64_t newest_ns() const noexcept;

  State state = State::kMapped;
  bool passed_over = false;      ///< for BatchWriter: not to be written for now
  std::uint64_t duplicates = 0;  ///< for BatchWriter: what insert() returned, as far as it stands

 private:
  std::uint64_t insert(Tuplestorestate* rows, std::size_t count);

  std::shared_ptr<const schema::Table> table_;
  std::shared_ptr<InsertPlan> plan_;
  MemoryContext memory_;
  Tuplestorestate* rows_ = nullptr;
  std::vector<MinimalTuple> by_number_;  ///< the rows, for row(); made when it is needed
  std::vector<std::uint32_t> all_rows_;  ///< for insert(), where some are refused
  std::vector<Line> lines_;
  std::vector<std::int64_t> times_ns_;  ///< by row
  std::vector<bool> refused_;           ///< by row; empty while none is
  std::size_t refused_count_ = 0;
};

/// The plans of all tables, kept from batch to batch.
class PlanCache {
 public:
  /// The plan of `table` with `arbiter` that takes a row with values in exactly the columns
  /// `present`. Where there is none, one is made that also has the columns of the plan made last,
  /// so that points which bring now these and now those fields share one statement: a column
  /// without default may as well be NULL. It takes the place of those that it can stand for. The
  /// pointer stays in place until the next call of find() or clear().
  const std::shared_ptr<InsertPlan>& find(const std::shared_ptr<const schema::Table>& table,
                                          std::span<const schema::ColumnIndex> present,
                                          const schema::Arbiter* arbiter);
  /// Forgets the plans of tables that have changed or gone.
  void sweep();
  void clear() { tables_.clear(); }

 private:
  struct Plans {
    std::shared_ptr<const schema::Table> table;
    std::vector<std::shared_ptr<InsertPlan>> plans;
  };
  std::vector<schema::ColumnIndex> columns_for(const Plans& known,
                                               std::span<const schema::ColumnIndex> present,
                                               const schema::Arbiter* arbiter) const;

  std::unordered_map<Oid, Plans> tables_;
};

}  // namespace influx::ingest
