#pragma once

#include "influx/postgres/spi.h"
#include "influx/schema/arbiter.h"
#include "influx/schema/table.h"

namespace influx::ingest {

/// INSERT INTO table (a set of columns) SELECT ... FROM the rows of a batch: the saved plan for one
/// table and column set. It knows the rows by name only. With an arbiter it has an ON CONFLICT
/// clause, as influx.on_conflict says when the plan is made.
///
/// The rows come from a tuplestore, registered as an ephemeral named relation; where the planner
/// ships the query to a place that cannot see it (a distributed table), from arrays through
/// unnest().
class InsertPlan {
 public:
  /// A plan for `columns` of `table`, in ascending order, and for an arbiter of that table or none.
  /// Prepares nothing yet.
  InsertPlan(const schema::Table& table, std::vector<schema::ColumnIndex> columns,
             const schema::Arbiter* arbiter);
  ~InsertPlan();
  InsertPlan(const InsertPlan&) = delete;
  InsertPlan& operator=(const InsertPlan&) = delete;

  const std::vector<schema::ColumnIndex>& columns() const noexcept { return columns_; }
  /// Position of a table's column in the rows, or -1.
  std::int16_t slot_of(schema::ColumnIndex column) const noexcept {
    return slots_[static_cast<std::size_t>(column)];
  }
  /// Tells rows that are there already. Valid as long as the table.
  const schema::Arbiter* arbiter() const noexcept { return arbiter_; }
  /// Whether rows that are there already are updated.
  bool merges() const noexcept { return merges_; }
  /// Whether the row in slot() and others of its key may be written as one, which has the last
  /// value of each: nothing would have seen or refused the row alone.
  bool may_combine() const noexcept;
  /// The columns of the set that differ by being left out; a row of this plan has all of them.
  std::size_t columns_with_default() const noexcept { return columns_with_default_; }
  /// Whether a row with values in exactly the columns `present` may be inserted by this plan.
  bool takes(const schema::Table& table,
             std::span<const schema::ColumnIndex> present) const noexcept;

  /// Whether it takes every row that `other`, of the same table, takes.
  bool stands_for(const schema::Table& table, const InsertPlan& other) const noexcept;

  /// About how many bytes a plan for so many columns takes, beside what it prepares.
  static constexpr std::size_t bytes(std::size_t columns) noexcept { return 1024 + 160 * columns; }
  /// About how many bytes it has prepared since this was asked last.
  std::size_t take_bytes_prepared() noexcept { return std::exchange(bytes_prepared_, 0); }

  /// Gives back what was prepared; the next insert() prepares it again. REQUIRES: insert() is not
  /// under way.
  void release() noexcept;

  /// What the rows look like: the columns by name, with the types of schema::Column::type.
  TupleDesc descriptor() const noexcept { return descriptor_; }

  /// A slot for one row, which holds what was stored in it last.
  TupleTableSlot* slot() const noexcept { return slot_; }

  /// Inserts `rows`, which have this plan's descriptor. The tuplestore is only read, from its
  /// start. Returns how many rows were written, those that a conflict has updated among them.
  /// REQUIRES: a transaction with SPI connected. Raises what the table raises.
  std::uint64_t insert(Tuplestorestate* rows, std::size_t count);

 private:
  enum class Source : std::uint8_t { kNotPrepared, kTuplestore, kArrays };

  void prepare(Oid relation);
  void prepare_tuplestore(Oid relation);
  void prepare_arrays(Oid relation);
  void describe_rows(const schema::Table& table);
  EphemeralNamedRelationData relation_of(Tuplestorestate* rows, std::size_t count);
  void append_insert(StringInfo sql, Oid relation);
  std::uint64_t insert_from_tuplestore(Tuplestorestate* rows, std::size_t count);
  std::uint64_t insert_from_arrays(Tuplestorestate* rows, std::size_t count);
  std::uint64_t insert_arrays(Tuplestorestate* rows, std::size_t count);
  std::uint64_t execute(Datum* values);
  postgres::Names names() const noexcept { return {relation_, InvalidOid, descriptor_}; }
  bool travels_as_text(int slot) const noexcept { return as_text_[static_cast<std::size_t>(slot)]; }

  std::vector<schema::ColumnIndex> columns_;
  std::vector<std::int16_t> slots_;
  std::size_t columns_with_default_ = 0;
  const schema::Arbiter* arbiter_;
  bool merges_ = false;
  bool combines_ = false;      ///< may_combine() but for `required_`
  std::vector<int> required_;  ///< slots that no row may leave NULL, except those of the key
  const char* conflict_clause_ = "";
  Oid relation_ = InvalidOid;
  bool is_rewritten_ = false;
  TupleDesc descriptor_ = nullptr;
  TupleTableSlot* slot_ = nullptr;
  MemoryContext memory_ = nullptr;
  Source source_ = Source::kNotPrepared;
  SPIPlanPtr plan_ = nullptr;
  std::size_t bytes_prepared_ = 0;
  /// kArrays: the columns whose type cannot be an element of an array that unnest() takes apart.
  std::vector<bool> as_text_;
};

}  // namespace influx::ingest
