#pragma once

#include "influx/line_protocol/hash.h"
#include "influx/postgres/server.h"

namespace influx::schema {

/// How a value becomes a datum of a column: directly for the common types, by the type's input
/// function for every other.
enum class ColumnKind : std::uint8_t {
  kFloat8,
  kFloat4,
  kInt2,
  kInt4,
  kInt8,
  kNumeric,
  kBoolean,
  kText,  ///< text, varchar
  kJsonb,
  kOther,
};

/// What the time column of a table holds.
enum class TimeKind : std::uint8_t {
  kNone,  ///< the table has no time column
  kTimestamptz,
  kTimestamp,    ///< in UTC
  kNanoseconds,  ///< bigint, nanoseconds since the epoch
  kUnsupported,  ///< the column has another type
};

/// A column of a table, as far as writing to it is concerned.
struct Column {
  std::string name;       ///< UTF-8
  AttrNumber number = 0;  ///< pg_attribute.attnum
  std::int32_t type_modifier = -1;
  /// The type under all domains; values are made of this type.
  Oid type = InvalidOid;
  bool is_domain = false;
  Oid io_parameter = InvalidOid;
  ColumnKind kind = ColumnKind::kOther;
  /// Whether leaving the column out of an INSERT differs from writing NULL.
  bool has_default = false;
  bool is_generated = false;
  bool not_null = false;
  /// Which of ACL_SELECT, ACL_INSERT and ACL_UPDATE the current user has on it.
  AclMode rights = 0;
  /// Why no value can be written to it ("it is a generated column"), and the SQLSTATE of that; null
  /// where it can.
  const char* refusal = nullptr;
  int refusal_sqlstate = 0;
  /// The input function of the column's own type, which checks the domain; memory of the table.
  mutable FmgrInfo input{};

  /// Whether the column takes less than its type does: it has a length, a scale or a domain.
  bool is_constrained() const noexcept { return is_domain || type_modifier >= 0; }
};

/// Index of a column in Table::columns.
using ColumnIndex = std::int16_t;
inline constexpr ColumnIndex kNoColumn = -1;

struct Arbiter;

/// Something on which the description of a table depends, as the server announces changes of it: a
/// relation, or an object that has a row of a system cache, by the hash of that.
using Dependency = std::uint64_t;
inline Dependency on_relation(Oid relation) noexcept {
  return relation;
}
inline Dependency on_object(int cache, uint32 hash) noexcept {
  return (static_cast<Dependency>(cache) + 1) << 32 | hash;
}

/// A table, view or foreign table that takes points, as it was when it was described. Shared by the
/// cache and by the batches that hold rows for it.
class Table {
 public:
  /// Describes relation `relation_oid` of name `measurement` (UTF-8) in schema `namespace_oid`,
  /// which may be of any kind. Takes and releases an AccessShareLock; where not `wait`, it throws
  /// lock_not_available instead of waiting for it. Null where the relation has gone, or got another
  /// name or schema since the caller looked.
  static std::shared_ptr<Table> describe(std::string_view measurement, Oid namespace_oid,
                                         Oid relation_oid, bool wait);
  ~Table();
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  /// The column of that name (UTF-8), or kNoColumn. System columns are not found. `hint` is a guess
  /// that is looked at first.
  ColumnIndex find(std::string_view name, ColumnIndex hint = kNoColumn) const noexcept;

  /// The column at `index`. REQUIRES: a valid index.
  const Column& column(ColumnIndex index) const noexcept {
    return columns[static_cast<std::size_t>(index)];
  }

  /// Whether a key of this name may not name a column: it is the time column's, or `_time`,
  /// `_tags`,
  /// `_fields`.
  bool reserves(std::string_view key) const noexcept;

  /// About how many bytes the description takes, and what the server has read for it.
  std::size_t bytes() const noexcept { return 8192 + 450 * columns.size(); }

  std::string measurement;  ///< UTF-8
  Oid oid = InvalidOid;
  char kind = 0;  ///< pg_class.relkind
  /// Why no row can be inserted at all ("it is an index"); null where rows can.
  const char* refusal = nullptr;
  /// The extension that the rows belong to, see extension_of_all(); then it takes none of ours.
  Oid extension = InvalidOid;
  bool denied = false;  ///< the current user may insert into no column at all
  /// False once the server has announced a change; then a new description is needed.
  bool current = true;
  std::vector<Column> columns;
  std::size_t width = 0;  ///< columns that count towards the server's limit, dropped ones too
  ColumnIndex time = kNoColumn;
  TimeKind time_kind = TimeKind::kNone;
  std::string time_name;           ///< of the time column, or the one that it would have
  ColumnIndex tags = kNoColumn;    ///< `_tags`, where it is jsonb and can be written
  ColumnIndex fields = kNoColumn;  ///< `_fields`, likewise
  std::vector<Arbiter> arbiters;   ///< the keys that points may have, the preferred one first
  std::vector<Dependency> dependencies;
  /// Whether an INSERT may become others, on other relations: for a view, or by a rule.
  bool is_rewritten = false;
  bool changes_rows = false;  ///< has_changing_trigger()
  bool checks_rows = false;   ///< checks_rows(); only looked at where there are arbiters

  /// Where the keys of the last point were found, in order: points of a measurement mostly repeat
  /// them. Only a guess, for find().
  mutable std::vector<ColumnIndex> tag_hints;
  mutable std::vector<ColumnIndex> field_hints;

  /// For ingest. When the table was used last, on the clock of who uses it.
  mutable std::uint64_t last_used = 0;
  /// How many plans were made for it so far. While it does not change, the plan for points with the
  /// same columns is the same.
  mutable std::uint64_t plans_made = 0;

 private:
  Table() = default;
  bool read_catalog(Oid namespace_oid, bool wait);
  void describe_column(const FormData_pg_attribute& attribute, AclMode rights);
  void depend_on_schema(Oid namespace_oid);
  void depend_on_type(Oid type);
  void index_columns();
  void find_special_columns();

  std::unordered_map<std::string_view, ColumnIndex, line_protocol::NameHash> by_name_;
  MemoryContext memory_ = nullptr;
};

/// Whether relations of this kind can take rows; where not, `refusal` says why.
bool takes_rows(char relation_kind, const char** refusal) noexcept;

}  // namespace influx::schema
