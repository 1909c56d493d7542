#include "influx/ingest/row_group.h"

#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"

namespace influx::ingest {

using schema::ColumnIndex;
using schema::Table;

namespace {

/// The rows of a batch stay in memory: their number of bytes is bounded by the batch, and a
/// temporary file would be closed with the transaction that made it.
constexpr int kNeverSpill = INT_MAX;

/// Sets of columns that differ in columns with defaults need plans of their own; beyond this number
/// the one that was made first goes.
constexpr std::size_t kMostPlans = 16;

/// Points that have brought so many sets of columns, each more than those before, may bring any.
constexpr std::uint64_t kPlansUntilAll = 8;

}  // namespace

RowGroup::RowGroup(std::shared_ptr<const Table> table, std::shared_ptr<InsertPlan> plan,
                   MemoryContext memory)
    : table_(std::move(table)), plan_(std::move(plan)), memory_(memory) {
  rows_ = postgres::guard([&] {
    return postgres::in_context(memory_,
                                [] { return tuplestore_begin_heap(false, true, kNeverSpill); });
  });
}

void RowGroup::append(MinimalTuple row, const Line& line, std::int64_t time_ns) {
  // Room first: after the row is in, nothing may fail.
  if (times_ns_.size() == times_ns_.capacity()) {
    const std::size_t more = std::max<std::size_t>(64, 2 * lines_.size());
    lines_.reserve(more);
    times_ns_.reserve(more);
  }
  ExecStoreMinimalTuple(row, plan_->slot(), false);
  tuplestore_puttupleslot(rows_, plan_->slot());
  lines_.push_back(line);
  times_ns_.push_back(time_ns);
}

std::int64_t RowGroup::newest_ns() const noexcept {
  if (refused_count_ == 0) return *std::max_element(times_ns_.begin(), times_ns_.end());
  std::int64_t newest = INT64_MIN;
  for (std::size_t row = 0; row < times_ns_.size(); ++row) {
    if (!refused_[row]) newest = std::max(newest, times_ns_[row]);
  }
  return newest;
}

void RowGroup::mark_refused(std::size_t row) {
  if (refused_.empty()) refused_.resize(lines_.size(), false);
  refused_[row] = true;
  ++refused_count_;
}

std::uint64_t RowGroup::insert() {
  if (refused_count_ == 0) return insert(rows_, lines_.size());
  all_rows_.clear();
  for (std::uint32_t row = 0; row < lines_.size(); ++row) {
    if (!refused(row)) all_rows_.push_back(row);
  }
  return insert(all_rows_, {});
}

std::uint64_t RowGroup::insert(Tuplestorestate* rows, std::size_t count) {
  const std::uint64_t written = plan_->insert(rows, count);
  return plan_->arbiter() == nullptr || plan_->merges() ? 0 : count - written;
}

std::uint64_t RowGroup::insert(std::span<const std::uint32_t> rows,
                               std::span<const MinimalTuple> combined) {
  if (rows.empty()) return 0;
  if (rows.size() == lines_.size()) return insert(rows_, rows.size());
  Tuplestorestate* part = tuplestore_begin_heap(false, false, kNeverSpill);
  TupleTableSlot* slot = plan_->slot();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const bool is_combined = !combined.empty() && combined[i] != nullptr;
    ExecStoreMinimalTuple(is_combined ? combined[i] : row(rows[i]), slot, false);
    tuplestore_puttupleslot(part, slot);
  }
  ExecClearTuple(slot);
  const std::uint64_t duplicates_found = insert(part, rows.size());
  tuplestore_end(part);
  return duplicates_found;
}

MinimalTuple RowGroup::row(std::size_t number) {
  if (by_number_.size() != lines_.size()) {
    by_number_.clear();
    by_number_.reserve(lines_.size());
    TupleTableSlot* slot = plan_->slot();
    tuplestore_rescan(rows_);
    // The slot only refers to them: the store holds them in memory, where they stay.
    while (tuplestore_gettupleslot(rows_, true, false, slot)) {
      bool copied = false;
      by_number_.push_back(ExecFetchSlotMinimalTuple(slot, &copied));
    }
    ExecClearTuple(slot);
  }
  return by_number_[number];
}

const std::shared_ptr<InsertPlan>& PlanCache::find(const std::shared_ptr<const Table>& table,
                                                   std::span<const ColumnIndex> present,
                                                   const schema::Arbiter* arbiter) {
  Plans& known = tables_[table->oid];
  if (known.table != table) known = {table, {}};
  for (auto plan = known.plans.rbegin(); plan != known.plans.rend(); ++plan) {
    if ((*plan)->arbiter() == arbiter && (*plan)->takes(*table, present)) return *plan;
  }
  auto made = std::make_shared<InsertPlan>(*table, columns_for(known, present, arbiter), arbiter);
  std::erase_if(known.plans, [&](const auto& plan) { return made->stands_for(*table, *plan); });
  if (known.plans.size() >= kMostPlans) known.plans.erase(known.plans.begin());
  ++table->plans_made;
  known.plans.push_back(std::move(made));
  return known.plans.back();
}

/// The columns of a plan for points that bring `present`, which no plan takes yet.
std::vector<ColumnIndex> PlanCache::columns_for(const Plans& known,
                                                std::span<const ColumnIndex> present,
                                                const schema::Arbiter* arbiter) const {
  const Table& table = *known.table;
  std::vector<ColumnIndex> columns(present.begin(), present.end());
  const bool updates =
      arbiter != nullptr && postgres::settings.on_conflict == postgres::kOnConflictMerge;
  const auto add = [&](ColumnIndex index) {
    const schema::Column& added = table.column(index);
    if (added.has_default || added.refusal != nullptr) return;
    // It would be updated too.
    if (arbiter == nullptr || arbiter->has(index) || may_merge(added)) columns.push_back(index);
  };
  if (table.plans_made >= kPlansUntilAll && !updates) {
    // What is updated is what points have brought: a trigger may look at the names of columns.
    for (std::size_t index = 0; index < table.columns.size(); ++index)
      add(static_cast<ColumnIndex>(index));
  } else if (!known.plans.empty()) {
    for (const ColumnIndex index : known.plans.back()->columns())
      add(index);
  }
  std::sort(columns.begin(), columns.end());
  columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
  return columns;
}

void PlanCache::sweep() {
  std::erase_if(tables_, [](const auto& known) { return !known.second.table->current; });
}

}  // namespace influx::ingest
