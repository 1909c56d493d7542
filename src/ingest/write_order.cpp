#include "influx/ingest/write_order.h"

#include <bit>

#include "influx/line_protocol/hash.h"
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

void WriteOrder::by_layers(std::span<RowGroup* const> groups) {
  collect(groups);
  // Where rows stay as they are, a second one of a key is no error.
  const InsertPlan& plan = groups.front()->plan();
  if (groups.size() > 1 || plan.merges()) {
    arbiter_ = plan.arbiter();
    find_layers(groups);
    std::sort(entries_.begin(), entries_.end(), [](const Entry& left, const Entry& right) {
      return std::tuple(left.layer, left.group, left.row) <
             std::tuple(right.layer, right.group, right.row);
    });
  }
  make_runs(groups);
}

void WriteOrder::by_lines(std::span<RowGroup* const> groups) {
  collect(groups);
  make_runs(groups);
}

/// Lists the rows of the groups in the order of their lines.
void WriteOrder::collect(std::span<RowGroup* const> groups) {
  runs_.clear();
  entries_.clear();
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    const auto count = static_cast<std::uint32_t>(groups[group]->lines().size());
    for (std::uint32_t row = 0; row < count; ++row)
      entries_.push_back({0, group, row});
  }
  if (groups.size() == 1) return;
  const auto place = [&](const Entry& entry) {
    const Line& line = groups[entry.group]->lines()[entry.row];
    return std::pair(line.origin, line.number);
  };
  std::sort(entries_.begin(), entries_.end(),
            [&](const Entry& left, const Entry& right) { return place(left) < place(right); });
}

/// Counts for each row how many of its key came before it.
void WriteOrder::find_layers(std::span<RowGroup* const> groups) {
  const std::size_t width = arbiter_->key.size();
  keys_.resize(entries_.size() * width);
  hashes_.resize(entries_.size());
  buckets_.assign(std::bit_ceil(2 * entries_.size()), 0);
  const std::size_t mask = buckets_.size() - 1;
  // Lines come from strangers, who are not to know which keys collide.
  if (seed_ == 0 && !pg_strong_random(&seed_, sizeof(seed_))) seed_ = 1;

  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx key", ALLOCSET_SMALL_SIZES);
  postgres::in_context(memory, [&] {
    for (std::size_t entry = 0; entry < entries_.size(); ++entry) {
      Entry& row = entries_[entry];
      Value* key = keys_.data() + entry * width;
      if (!read_key(*groups[row.group], row.row, key)) continue;
      const std::uint64_t hash = hashes_[entry] = hash_of_key(key);
      std::size_t bucket = hash & mask;
      for (; buckets_[bucket] != 0; bucket = (bucket + 1) & mask) {
        const std::size_t other = buckets_[bucket] - 1;
        if (hashes_[other] != hash || !is_same_key(keys_.data() + other * width, key)) continue;
        row.layer = entries_[other].layer + 1;
        break;
      }
      buckets_[bucket] = static_cast<std::uint32_t>(entry + 1);
      MemoryContextReset(memory);
    }
  });
  MemoryContextDelete(memory);
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
  std::uint64_t hash = seed_;
  for (const KeyColumn& column : arbiter_->key) {
    const Value& value = *key++;
    std::uint64_t part = 0;
    // What depends on the other columns is taken for the same where those are.
    if (value.null || column.absent == KeyColumn::Absent::kGenerated) {
      part = 1;
    } else if (column.equality == Equality::kWord) {
      part = value.datum;
    } else if (column.equality == Equality::kBytes) {
      const std::string_view bytes = bytes_of(value.datum);
      part = hash_bytes_extended(reinterpret_cast<const unsigned char*>(bytes.data()),
                                 static_cast<int>(bytes.size()), seed_);
    } else if (OidIsValid(column.hash.fn_oid)) {
      part = DatumGetUInt32(FunctionCall1Coll(&column.hash, column.collation, value.datum));
    }
    hash = line_protocol::mix(hash, part);
  }
  return hash;
}

bool WriteOrder::is_same_key(const Value* left, const Value* right) const {
  const auto same = [](const KeyColumn& column, const Value& one, const Value& other) {
    if (column.absent == KeyColumn::Absent::kGenerated) return true;
    if (one.null || other.null) return one.null == other.null;
    switch (column.equality) {
      case Equality::kWord:
        return one.datum == other.datum;
      case Equality::kBytes:
        return bytes_of(one.datum) == bytes_of(other.datum);
      case Equality::kFunction:
        break;
    }
    return DatumGetBool(FunctionCall2Coll(&column.equal, column.collation, one.datum, other.datum));
  };
  for (const KeyColumn& column : arbiter_->key) {
    if (!same(column, *left++, *right++)) return false;
  }
  return true;
}

/// Puts rows of one layer and group that follow each other into a run.
void WriteOrder::make_runs(std::span<RowGroup* const> groups) {
  rows_.clear();
  const Entry* before = nullptr;
  for (const Entry& entry : entries_) {
    if (before == nullptr || before->layer != entry.layer || before->group != entry.group) {
      runs_.push_back({groups[entry.group], rows_.size(), 0});
    }
    rows_.push_back(entry.row);
    ++runs_.back().count;
    before = &entry;
  }
}

}  // namespace influx::ingest
