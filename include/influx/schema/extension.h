#pragma once

#include "influx/line_protocol/hash.h"
#include "influx/line_protocol/point.h"
#include "influx/schema/create_function.h"
#include "influx/schema/limits.h"
#include "influx/schema/table.h"

namespace influx::schema {

/// What a column is for.
enum class ColumnRole : std::uint8_t { kTime, kTag, kField };

/// A column that a point needs and its table does not have.
struct NewColumn {
  std::string name;  ///< UTF-8
  ColumnRole role = ColumnRole::kField;
  line_protocol::ValueType type = line_protocol::ValueType::kString;  ///< of the first value
  bool shadowed = false;  ///< a key of the other role has the name already, and makes the column
};

/// What points of one measurement need: a table, or columns of one.
struct Extension {
  std::string measurement;  ///< UTF-8
  bool create = false;      ///< the table is missing
  std::size_t width = 0;    ///< columns that the table has without these
  std::vector<NewColumn> columns;

  /// Whether there is a column of this name, for a key of any role.
  bool has(const std::string& name) const { return roles_.contains(name); }
  /// Adds a column unless there is one of this name and role. `type` is that of a field's value.
  void add(std::string_view name, ColumnRole role, line_protocol::ValueType type);
  /// Adds the columns of `other` that are not there yet.
  void merge(const Extension& other);
  void clear();
  /// How many tables and columns it makes.
  std::size_t objects() const noexcept { return columns.size() + (create ? 1 : 0); }

  /// About how many bytes so many columns take here.
  static constexpr std::size_t bytes(std::size_t columns) noexcept { return 256 + 200 * columns; }
  /// About how many bytes the server keeps for this process when they were made.
  static constexpr std::size_t bytes_made(std::size_t columns) noexcept {
    return 16384 + 500 * columns;
  }

 private:
  std::unordered_map<std::string, unsigned, line_protocol::NameHash, std::equal_to<>>
      roles_;  ///< by name, a bit for each role
};

/// Makes tables and columns in one schema.
///
/// Each call runs in a subtransaction of the caller's transaction, whose locks it keeps: a listener
/// commits after each, so that it never holds a lock on one table while it waits for another.
class Extender {
 public:
  explicit Extender(Oid namespace_oid) noexcept
      : namespace_oid_(namespace_oid), limit_(namespace_oid) {}

  /// Whether the schema has a function `_create(name, name[], name[])` of its user, which then
  /// makes the tables. REQUIRES: a transaction.
  bool has_create_function() const { return find_create_function(namespace_oid_).exists(); }

  /// Whether a table for `measurement` (UTF-8), which has none, may be made, as far as can be told
  /// without trying; false with the reason in `objection`. Cheap: a sender may invent names without
  /// end. REQUIRES: a transaction. Raises.
  bool may_create(std::string_view measurement, Objection* objection);

  /// Notes that extend() is going to be asked for a table, which counts from now on.
  void promise_table() noexcept { limit_.promise(); }
  /// Notes that it is not going to be asked for any that was promised.
  void forget_promises() noexcept { limit_.forget_promises(); }

  /// Does what `extension` asks for. That somebody else does the same at the same time is no error.
  /// Returns nothing, or the error that stands against it, in the current memory context.
  /// REQUIRES: a transaction with SPI connected.
  ErrorData* extend(const Extension& extension);

  /// Whether extend() notifies sessions of what it makes.
  bool announces() const noexcept;
  /// From now on it does not, for a while.
  void stop_announcing() noexcept;

  /// Creates the table of `extension` in the layout of the settings, in the caller's transaction,
  /// unless there is one. Raises, also where it would have too many columns. REQUIRES: SPI
  /// connected.
  void create_table(const Extension& extension) const;

 private:
  ErrorData* try_to_extend(const Extension& extension);
  bool table_exists(const Extension& extension) const;
  void make_table(const Extension& extension, bool existed);
  bool has_grown(const Extension& extension) const;
  void call_create_function(const CreateFunction& function, const Extension& extension) const;
  void run_utility(const char* sql, const char* schema) const;
  void add_columns(const Extension& extension) const;
  void note_changes(const Extension& extension, bool existed) const;

  Oid namespace_oid_;
  TableLimit limit_;
  unsigned failures_ = 0;
  std::int64_t silent_until_ns_ = 0;  ///< on the monotonic clock
};

}  // namespace influx::schema
