#pragma once

#include "influx/ingest/row_group.h"

namespace influx::ingest {

/// Divides rows of one table between statements, each of which takes rows of one group.
///
/// With an arbiter the rows of a key have to be written in the order of their lines, and a
/// statement may have no two of them. Rows of a key that nothing looks at one by one are combined
/// into one row. Else the first row of each key is in the first layer, the second one in the
/// second, and so on, over all groups. Where a trigger may change keys, the order is that of the
/// lines: a statement ends where a key recurs or the group changes.
class WriteOrder {
 public:
  /// Rows for one statement.
  struct Run {
    RowGroup* group = nullptr;
    std::size_t first = 0;
    std::size_t count = 0;
    std::uint64_t duplicates = 0;  ///< for BatchWriter: what was found when it was written
  };

  /// Takes the rows of the groups that were not refused, in the order of their lines. REQUIRES:
  /// groups of one table and arbiter, which live until the next call.
  void list(std::span<RowGroup* const> groups);
  std::size_t size() const noexcept { return listed_.size(); }

  /// Divides `count` of these rows, from `first` on. Combined rows are made in the current memory
  /// context. Raises what the functions of the types raise; not where `count` is 1.
  void arrange(std::size_t first, std::size_t count);

  std::vector<Run>& runs() noexcept { return runs_; }
  std::span<const std::uint32_t> rows_of(const Run& run) const noexcept {
    return {rows_.data() + run.first, run.count};
  }
  /// By row of the run: what stands for it and those of its key before; null where it is the only
  /// one.
  std::span<const MinimalTuple> combined_of(const Run& run) const noexcept {
    return {combined_.data() + run.first, run.count};
  }

 private:
  struct Entry {
    std::uint32_t layer = 0;
    std::uint32_t group = 0;
    std::uint32_t row = 0;
    std::uint32_t before = 0;  ///< entry + 1 of the same key before; 0 where there is none
    bool can_recur = false;    ///< another row may have its key
    bool may_combine = false;
    bool joins_before = false;  ///< it is to be combined with that one
    bool is_joined = false;     ///< a later one is to be combined with it
    MinimalTuple combined = nullptr;
  };
  struct Value {
    Datum datum = 0;
    bool null = false;
  };

  void read_keys();
  void number_values(std::size_t column, MemoryContext memory);
  int compare(std::size_t column, std::uint32_t left, std::uint32_t right, MemoryContext memory);
  void sort_by(std::size_t column, MemoryContext memory);
  void find_recurrences();
  void follow_lines() noexcept;
  void find_layers();
  void combine_rows();
  MinimalTuple combine(std::size_t entry, MemoryContext scratch);
  bool read_key(RowGroup& group, std::size_t row, Value* key);
  std::uint64_t hash_of_key(const Value* key) const;
  bool is_same_key(const Value* left, const Value* right) const;
  void make_runs();

  std::vector<RowGroup*> groups_;
  const schema::Arbiter* arbiter_ = nullptr;
  std::vector<Entry> listed_;           ///< the rows, by line
  std::vector<Entry> entries_;          ///< those that are arranged
  std::vector<Value> keys_;             ///< of the entries
  std::vector<std::uint32_t> order_;    ///< entries by a column of the key; for sort_by()
  std::vector<std::uint32_t> merged_;   ///< likewise
  std::vector<std::uint64_t> hashes_;   ///< of the keys
  std::vector<std::uint32_t> buckets_;  ///< entry + 1 that came last with a key; 0 where free
  std::vector<std::uint32_t> rows_;     ///< by run
  std::vector<MinimalTuple> combined_;  ///< likewise
  std::vector<Datum> values_;           ///< for combine()
  std::unique_ptr<bool[]> nulls_;       ///< likewise
  std::vector<Run> runs_;
};

}  // namespace influx::ingest
