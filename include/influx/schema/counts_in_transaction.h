#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

/// What a transaction has done to tables, until it is known whether it commits. Knows nothing of
/// the server: whoever owns it tells it where transactions and subtransactions end.
///
/// Subtransactions are told by their nesting level, from 1 for the transaction itself.
class CountsInTransaction {
 public:
  struct Counts {
    std::uint64_t points = 0;
    std::uint64_t columns = 0;
  };

  /// Adds what was done at nesting level `level`. Throws std::bad_alloc, with nothing added.
  void add(Oid table, const Counts& counts, int level);

  /// The subtransaction of that level ends: what was done in it becomes a part of the one around
  /// it, or is forgotten.
  void commit(int level) noexcept;
  void roll_back(int level) noexcept;

  bool empty() const noexcept { return parts_.empty(); }
  /// How often for_each() calls.
  std::size_t size() const noexcept { return parts_.size(); }
  void clear() noexcept;

  /// Calls `call(table, counts)`; more than once for a table, if need be.
  template <typename Call>
  void for_each(Call&& call) const {
    for (const Part& part : parts_)
      call(part.table, part.counts);
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;

  /// What was done to a table at one level. Those of a level are behind those of the levels around
  /// it.
  struct Part {
    Oid table = InvalidOid;
    int level = 0;
    Counts counts;
    std::size_t before = kNone;  ///< of the same table, at a level around this one
  };

  std::vector<Part> parts_;
  std::unordered_map<Oid, std::size_t> last_;  ///< the part of the innermost level
};

}  // namespace influx::schema
