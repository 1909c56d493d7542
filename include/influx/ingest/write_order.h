#pragma once

#include "influx/ingest/row_group.h"

namespace influx::ingest {

/// Divides rows of one table between statements, each of which takes rows of one group.
///
/// With an arbiter the rows of a key have to be written in the order of their lines, and a
/// statement may have no two of them. So the first row of each key is in the first layer, the
/// second one in the second, and so on, over all groups: mostly that is one statement.
class WriteOrder {
 public:
  /// Rows for one statement.
  struct Run {
    RowGroup* group = nullptr;
    std::size_t first = 0;
    std::size_t count = 0;
  };

  /// Layer by layer. REQUIRES: groups of one table and arbiter. Raises what the functions of the
  /// types raise.
  void by_layers(std::span<RowGroup* const> groups);
  /// In the order of their lines.
  void by_lines(std::span<RowGroup* const> groups);

  const std::vector<Run>& runs() const noexcept { return runs_; }
  std::span<const std::uint32_t> rows_of(const Run& run) const noexcept {
    return {rows_.data() + run.first, run.count};
  }

 private:
  struct Entry {
    std::uint32_t layer = 0;
    std::uint32_t group = 0;
    std::uint32_t row = 0;
  };
  struct Value {
    Datum datum = 0;
    bool null = false;
  };

  void collect(std::span<RowGroup* const> groups);
  void find_layers(std::span<RowGroup* const> groups);
  bool read_key(RowGroup& group, std::size_t row, Value* key);
  std::uint64_t hash_of_key(const Value* key) const;
  bool is_same_key(const Value* left, const Value* right) const;
  void make_runs(std::span<RowGroup* const> groups);

  const schema::Arbiter* arbiter_ = nullptr;
  std::vector<Entry> entries_;          ///< the rows
  std::vector<Value> keys_;             ///< of the entries
  std::vector<std::uint64_t> hashes_;   ///< of the keys
  std::vector<std::uint32_t> buckets_;  ///< entry + 1 that came last with a key; 0 where free
  std::vector<std::uint32_t> rows_;
  std::vector<Run> runs_;
  std::uint64_t seed_ = 0;
};

}  // namespace influx::ingest
