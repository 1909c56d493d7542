#include "influx/ingest/write_order.h"

#include <bit>

#include "influx/line_protocol/hash.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"

namespace influx::ingest {

using schema::Equality;
using schema::KeyColumn;

namespace {

std::string_view bytes_of(Datum varlena) {
  return postgres::text_view(reinterpret_cast<const text*>(DatumGetPointer(varlena)));
}

}  // namespace

void WriteOrder::list(std::span<RowGroup* const> groups) {
  groups_.assign(groups.begin(), groups.end());
  listed_.clear();
  for (std::uint32_t group = 0; group < groups_.size(); ++group) {
    const auto count = static_cast<std::uint32_t>(groups_[group]->lines().size());
    for (std::uint32_t row = 0; row < count; ++row) {
      if (groups_[group]->refused(row)) continue;
      listed_.push_back({});
      listed_.back().group = group;
      listed_.back().row = row;
    }
  }
  if (groups_.size() == 1) return;
  const auto line_of = [&](const Entry& entry) -> const Line& {
    return groups_[entry.group]->lines()[entry.row];
  };
  std::sort(listed_.begin(), listed_.end(), [&](const Entry& left, const Entry& right) {
    return is_before(line_of(left), line_of(right));
  });
}

void WriteOrder::arrange(std::size_t first, std::size_t count) {
  const auto begin = listed_.begin() + static_cast<std::ptrdiff_t>(first);
  entries_.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
  const InsertPlan& plan = groups_.front()->plan();
  arbiter_ = plan.arbiter();
  // Where rows stay as they are, a second one of a key is no error.
  if (arbiter_ != nullptr && count > 1 && (groups_.size() > 1 || plan.merges())) {
    find_recurrences();
    if (groups_.front()->table().changes_rows) {
      follow_lines();
    } else {
      find_layers();
      combine_rows();
    }
  }
  make_runs();
}

/// Finds for each row the one of its key that came last before it. The work is that of sorting,
/// whatever the types of the key and the values that strangers choose.
void WriteOrder::find_recurrences() {
  const std::size_t width = arbiter_->key.size();
  read_keys();
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx key", ALLOCSET_SMALL_SIZES);
  for (std::size_t column = 0; column < width; ++column) {
    const KeyColumn& key = arbiter_->key[column];
    if (key.equality == Equality::kFunction && key.absent != KeyColumn::Absent::kGenerated) {
      number_values(column, memory);
    }
  }
  MemoryContextDelete(memory);

  hashes_.resize(entries_.size());
  buckets_.assign(std::bit_ceil(2 * entries_.size()), 0);
  const std::size_t mask = buckets_.size() - 1;
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    Entry& row = entries_[entry];
    if (!row.can_recur) continue;
    const Value* key = keys_.data() + entry * width;
    const std::uint64_t hash = hashes_[entry] = hash_of_key(key);
    std::size_t bucket = hash & mask;
    for (; buckets_[bucket] != 0; bucket = (bucket + 1) & mask) {
      const std::size_t other = buckets_[bucket] - 1;
      if (hashes_[other] != hash || !is_same_key(keys_.data() + other * width, key)) continue;
      row.before = buckets_[bucket];
      break;
    }
    buckets_[bucket] = static_cast<std::uint32_t>(entry + 1);
  }
}

/// Reads the keys of the rows, which stay where they are.
void WriteOrder::read_keys() {
  const std::size_t width = arbiter_->key.size();
  keys_.resize(entries_.size() * width);
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    Entry& row = entries_[entry];
    RowGroup& group = *groups_[row.group];
    row.can_recur = read_key(group, row.row, keys_.data() + entry * width);
    if (row.can_recur) row.may_combine = group.plan().may_combine();
  }
}

/// Puts a number in the place of each value of a column of the key: the same one for values that
/// the index takes for the same.
void WriteOrder::number_values(std::size_t column, MemoryContext memory) {
  const std::size_t width = arbiter_->key.size();
  order_.clear();
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    if (entries_[entry].can_recur && !keys_[entry * width + column].null) {
      order_.push_back(static_cast<std::uint32_t>(entry));
    }
  }
  sort_by(column, memory);
  // Numbered first, and put in place then: what is compared is a value still.
  merged_.resize(order_.size());
  std::uint32_t number = 0;
  for (std::size_t i = 0; i < order_.size(); ++i) {
    if (i > 0 && compare(column, order_[i - 1], order_[i], memory) != 0) ++number;
    merged_[i] = number;
  }
  for (std::size_t i = 0; i < order_.size(); ++i)
    keys_[order_[i] * width + column].datum = merged_[i];
}

/// How the index orders the values of two entries. Raises what the function raises.
int WriteOrder::compare(std::size_t column, std::uint32_t left, std::uint32_t right,
                        MemoryContext memory) {
  CHECK_FOR_INTERRUPTS();
  const std::size_t width = arbiter_->key.size();
  const KeyColumn& key = arbiter_->key[column];
  const Datum one = keys_[left * width + column].datum;
  const Datum other = keys_[right * width + column].datum;
  const int result = postgres::in_context(memory, [&] {
    return DatumGetInt32(FunctionCall2Coll(&key.order, key.collation, one, other));
  });
  MemoryContextReset(memory);
  return result;
}

/// Sorts order_ by merging. The function is the user's: whatever it says, each merge ends, within
/// its bounds, and there are no more than log n comparisons for each entry, which holds for no sort
/// that partitions.
void WriteOrder::sort_by(std::size_t column, MemoryContext memory) {
  const std::size_t count = order_.size();
  merged_.resize(count);
  for (std::size_t run = 1; run < count; run *= 2) {
    for (std::size_t first = 0; first < count; first += 2 * run) {
      const std::size_t middle = std::min(first + run, count);
      const std::size_t end = std::min(middle + run, count);
      std::size_t left = first;
      std::size_t right = middle;
      // Mostly one value, or in order already.
      if (middle < end && compare(column, order_[middle - 1], order_[middle], memory) <= 0) {
        std::copy(order_.begin() + static_cast<std::ptrdiff_t>(first),
                  order_.begin() + static_cast<std::ptrdiff_t>(end),
                  merged_.begin() + static_cast<std::ptrdiff_t>(first));
        continue;
      }
      for (std::size_t to = first; to < end; ++to) {
        const bool take_left =
            right == end ||
            (left < middle && compare(column, order_[left], order_[right], memory) <= 0);
        merged_[to] = order_[take_left ? left++ : right++];
      }
    }
    order_.swap(merged_);
  }
}

/// Makes a layer of all rows up to one whose key is among them, or that is of another group.
void WriteOrder::follow_lines() noexcept {
  std::uint32_t layer = 0;
  std::size_t start = 0;
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    Entry& row = entries_[entry];
    if (row.before > start || row.group != entries_[start].group) {
      ++layer;
      start = entry;
    }
    row.layer = layer;
  }
}

/// Counts for each row how many of its key came before it, those combined with another one aside.
void WriteOrder::find_layers() {
  for (Entry& row : entries_) {
    if (row.before == 0) continue;
    Entry& before = entries_[row.before - 1];
    row.joins_before = row.may_combine && before.may_combine && row.group == before.group;
    before.is_joined = row.joins_before;
    row.layer = before.layer + (row.joins_before ? 0 : 1);
  }
}

/// Lets the last one stand for rows that are to be combined, and brings all into the order of their
/// layers.
void WriteOrder::combine_rows() {
  MemoryContext scratch =
      AllocSetContextCreate(CurrentMemoryContext, "influx combined", ALLOCSET_SMALL_SIZES);
  for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
    Entry& row = entries_[entry];
    if (!row.joins_before || row.is_joined) continue;
    row.combined = combine(entry, scratch);
    MemoryContextReset(scratch);
  }
  MemoryContextDelete(scratch);
  std::erase_if(entries_, [](const Entry& entry) { return entry.is_joined; });
  std::sort(entries_.begin(), entries_.end(), [](const Entry& left, const Entry& right) {
    return std::tuple(left.layer, left.group, left.row) <
           std::tuple(right.layer, right.group, right.row);
  });
}

/// The row that all rows of a key up to this one come to, as append_conflict_clause() has it: the
/// key of the first one, and the last value of each other column. From the last row to the first:
/// a value that is found stays.
MinimalTuple WriteOrder::combine(std::size_t entry, MemoryContext scratch) {
  RowGroup& group = *groups_[entries_[entry].group];
  const InsertPlan& plan = group.plan();
  const schema::Table& table = group.table();
  TupleTableSlot* slot = plan.slot();
  const std::size_t width = plan.columns().size();
  if (values_.size() < width) {
    nulls_ = std::make_unique<bool[]>(width);
    values_.resize(width);
  }
  std::fill_n(nulls_.get(), width, true);

  for (const Entry* row = &entries_[entry];; row = &entries_[row->before - 1]) {
    ExecStoreMinimalTuple(group.row(row->row), slot, false);
    slot_getallattrs(slot);
    for (std::size_t i = 0; i < width; ++i) {
      if (slot->tts_isnull[i]) continue;
      const schema::ColumnIndex column = plan.columns()[i];
      const Datum value = slot->tts_values[i];
      if (nulls_[i] || arbiter_->has(column)) {
        values_[i] = value;
        nulls_[i] = false;
      } else if (column == table.tags || column == table.fields) {
        values_[i] = postgres::in_context(
            scratch, [&] { return DirectFunctionCall2(jsonb_concat, value, values_[i]); });
      }
    }
    if (!row->joins_before) break;
  }
  ExecClearTuple(slot);
  return postgres::form_minimal_tuple(plan.descriptor(), values_.data(), nulls_.get());
}

/// Reads the key of a row, which stays where it is. False where no other row can have it.
bool WriteOrder::read_key(RowGroup& group, std::size_t row, Value* key) {
  const InsertPlan& plan = group.plan();
  TupleTableSlot* slot = plan.slot();
  ExecStoreMinimalTuple(group.row(row), slot, false);
  bool can_recur = true;
  for (const KeyColumn& column : arbiter_->key) {
    const std::int16_t at = plan.slot_of(column.column);
    Value& value = *key++;
    if (at >= 0) {
      value.datum = slot_getattr(slot, at + 1, &value.null);
    } else {
      value = {column.constant, column.absent == KeyColumn::Absent::kNull};
    }
    can_recur = can_recur && (!value.null || arbiter_->nulls_equal);
  }
  return can_recur;
}

std::uint64_t WriteOrder::hash_of_key(const Value* key) const {
  // Lines come from strangers, who are not to know which keys collide.
  const std::uint64_t seed = line_protocol::process_hash_seed();
  std::uint64_t hash = seed;
  for (const KeyColumn& column : arbiter_->key) {
    const Value& value = *key++;
    // What depends on the other columns is taken for the same where those are.
    std::uint64_t part = 1;
    if (!value.null && column.absent != KeyColumn::Absent::kGenerated) {
      part = column.equality == Equality::kBytes
                 ? line_protocol::hash_of(bytes_of(value.datum), seed)
                 : value.datum;
    }
    hash = line_protocol::mix(hash, part);
  }
  return hash;
}

/// REQUIRES: number_values() for each column whose values a function compares.
bool WriteOrder::is_same_key(const Value* left, const Value* right) const {
  const auto same = [](const KeyColumn& column, const Value& one, const Value& other) {
    if (column.absent == KeyColumn::Absent::kGenerated) return true;
    if (one.null || other.null) return one.null == other.null;
    return column.equality == Equality::kBytes ? bytes_of(one.datum) == bytes_of(other.datum)
                                               : one.datum == other.datum;
  };
  for (const KeyColumn& column : arbiter_->key) {
    if (!same(column, *left++, *right++)) return false;
  }
  return true;
}

/// Puts rows of one layer and group that follow each other into a run.
void WriteOrder::make_runs() {
  runs_.clear();
  rows_.clear();
  combined_.clear();
  const Entry* before = nullptr;
  for (const Entry& entry : entries_) {
    if (before == nullptr || before->layer != entry.layer || before->group != entry.group) {
      runs_.push_back({groups_[entry.group], rows_.size(), 0, 0});
    }
    rows_.push_back(entry.row);
    combined_.push_back(entry.combined);
    ++runs_.back().count;
    before = &entry;
  }
}

}  // namespace influx::ingest
