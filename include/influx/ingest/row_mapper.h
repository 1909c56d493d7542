#pragma once

#include "influx/ingest/json.h"
#include "influx/ingest/refusal.h"
#include "influx/line_protocol/point.h"
#include "influx/schema/extension.h"
#include "influx/schema/table.h"

namespace influx::ingest {

/// Turns points into rows of their table: decides for each key which column takes its value.
///
/// The object keeps the row of the last map(); its memory is reused from point to point.
class RowMapper {
 public:
  enum class Result : std::uint8_t {
    kRow,             ///< present() and value_of() describe the row
    kRefused,         ///< refusal() says why
    kNeedsExtension,  ///< needs() says which columns are missing
  };

  /// Maps `point` to a row of `table`; `received_ns` stands in for a missing timestamp.
  /// The datums of the row live in the current memory context. REQUIRES: a transaction. Raises.
  Result map(const schema::Table& table, const line_protocol::Point& point,
             std::int64_t received_ns);

  /// Checks that a table made for `point` could take it, and fills needs(). kRefused where it could
  /// not. `by_user` tells that a function of the user makes the table, which may do as it likes.
  Result map_missing(const line_protocol::Point& point, bool by_user);

  /// The columns that have a value, in no particular order.
  std::span<const schema::ColumnIndex> present() const noexcept { return present_; }
  bool has(schema::ColumnIndex column) const noexcept {
    return taken_[static_cast<std::size_t>(column)] != 0;
  }
  Datum value_of(schema::ColumnIndex column) const noexcept {
    return values_[static_cast<std::size_t>(column)];
  }
  /// The column of each field of the point, in the order of the fields; kNoColumn for one that went
  /// to the jsonb column.
  std::span<const schema::ColumnIndex> field_columns() const noexcept { return field_columns_; }
  const Refusal& refusal() const noexcept { return refusal_; }
  const schema::Extension& needs() const noexcept { return needs_; }

 private:
  void start(const schema::Table& table);
  bool refuse(int sqlstate, const char* message, const char* hint = nullptr);
  bool place_time(const schema::Table& table, std::int64_t nanoseconds);
  template <typename Value>
  bool place(const schema::Table& table, std::string_view key, const Value& value,
             schema::ColumnRole role, schema::ColumnIndex* hint);
  template <typename Value>
  bool place_in_column(const schema::Table& table, schema::ColumnIndex index, const Value& value);
  bool need(const schema::Table& table, std::string_view key, schema::ColumnRole role,
            line_protocol::ValueType type);
  bool add_need(std::string_view key, schema::ColumnRole role, line_protocol::ValueType type);
  bool refuse_second_role(std::string_view key);
  void set(schema::ColumnIndex index, Datum value);

  std::vector<schema::ColumnIndex> present_;
  std::vector<Datum> values_;         ///< by column of the table
  std::vector<unsigned char> taken_;  ///< by column of the table; set for those in present_
  std::vector<schema::ColumnIndex> field_columns_;
  Refusal refusal_;
  schema::Extension needs_;
};

}  // namespace influx::ingest
