#include "influx/ingest/row_mapper.h"

#include "influx/ingest/convert.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/schema/limits.h"
#include "influx/schema/membership.h"
#include "influx/schema/names.h"

namespace influx::ingest {

using line_protocol::FieldValue;
using line_protocol::Point;
using line_protocol::ValueType;
using postgres::server_string;
using schema::Column;
using schema::ColumnIndex;
using schema::ColumnRole;
using schema::kNoColumn;
using schema::Table;
using schema::TimeKind;

namespace {

const char* role_name(ColumnRole role) noexcept {
  return role == ColumnRole::kTag ? "tag" : "field";
}

/// A key as messages show it: it may be as long as a datagram.
const char* shown(std::string_view key) {
  constexpr int kMostBytesShown = 100;
  return postgres::shortened(server_string(key), kMostBytesShown);
}

ValueType type_of(const FieldValue& value) noexcept {
  return value.type;
}
ValueType type_of(std::string_view) noexcept {
  return ValueType::kString;
}

/// Why a table with `width` columns gets none for `key`, and the SQLSTATE and hint of that; null
/// where it can.
const char* room_or_name_refusal(std::size_t width, std::string_view key, int* sqlstate,
                                 const char** hint) {
  const char* reason = schema::width_refusal(width, hint);
  if (reason == nullptr) return schema::column_name_refusal(key, sqlstate);
  *sqlstate = ERRCODE_TOO_MANY_COLUMNS;
  return reason;
}

bool can_be_extended(const Table& table) noexcept {
  return table.kind == RELKIND_RELATION || table.kind == RELKIND_PARTITIONED_TABLE ||
         table.kind == RELKIND_FOREIGN_TABLE;
}

}  // namespace

void RowMapper::start(const Table& table) {
  for (const ColumnIndex index : present_)
    taken_[static_cast<std::size_t>(index)] = 0;
  present_.clear();
  field_columns_.clear();
  if (values_.size() < table.columns.size()) {
    values_.resize(table.columns.size());
    taken_.resize(table.columns.size());
  }
  needs_.clear();
}

bool RowMapper::refuse(int sqlstate, const char* message, const char* hint) {
  refusal_ = {};
  refusal_.sqlstate = sqlstate;
  refusal_.message = message;
  refusal_.hint = hint;
  return false;
}

void RowMapper::set(ColumnIndex index, Datum value) {
  values_[static_cast<std::size_t>(index)] = value;
  taken_[static_cast<std::size_t>(index)] = 1;
  present_.push_back(index);
}

RowMapper::Result RowMapper::map(const Table& table, const Point& point, std::int64_t received_ns) {
  start(table);
  if (table.extension != InvalidOid) {
    refusal_ =
        refusal_of(schema::objection_to_member(server_string(table.measurement), table.extension));
    return Result::kRefused;
  }
  if (table.refusal != nullptr) {
    refuse(ERRCODE_WRONG_OBJECT_TYPE, psprintf("cannot insert into \"%s\": %s",
                                               server_string(table.measurement), table.refusal));
    return Result::kRefused;
  }
  if (table.denied) {
    refuse(ERRCODE_INSUFFICIENT_PRIVILEGE,
           psprintf("permission denied for table %s", server_string(table.measurement)));
    return Result::kRefused;
  }
  if (!place_time(table, point.timestamp.value_or(received_ns))) return Result::kRefused;

  table.tag_hints.resize(std::max(table.tag_hints.size(), point.tags.size()), kNoColumn);
  table.field_hints.resize(std::max(table.field_hints.size(), point.fields.size()), kNoColumn);

  JsonObject tags;
  ColumnIndex* hint = table.tag_hints.data();
  for (const auto& tag : point.tags) {
    CHECK_FOR_INTERRUPTS();
    if (place(table, tag.key, tag.value, ColumnRole::kTag, hint++)) continue;
    if (table.tags == kNoColumn) return Result::kRefused;
    tags.add(tag.key, tag.value);
  }
  JsonObject fields;
  hint = table.field_hints.data();
  for (const auto& field : point.fields) {
    CHECK_FOR_INTERRUPTS();
    const bool placed = place(table, field.key, field.value, ColumnRole::kField, hint);
    field_columns_.push_back(placed ? *hint : kNoColumn);
    ++hint;
    if (placed) continue;
    if (table.fields == kNoColumn) return Result::kRefused;
    fields.add(field.key, field.value);
  }
  if (!needs_.columns.empty()) return Result::kNeedsExtension;

  if (!tags.empty()) set(table.tags, tags.finish());
  if (!fields.empty()) set(table.fields, fields.finish());
  return Result::kRow;
}

bool RowMapper::place_time(const Table& table, std::int64_t nanoseconds) {
  if (table.time == kNoColumn) {
    return need(table, table.time_name, ColumnRole::kTime, ValueType::kInteger);
  }
  const Column& column = table.column(table.time);
  if (table.time_kind == TimeKind::kUnsupported) {
    return refuse(
        ERRCODE_DATATYPE_MISMATCH,
        psprintf("time column \"%s\" is of type %s", server_string(table.time_name),
                 format_type_be(column.type)),
        "Use timestamp with time zone, timestamp or bigint, or choose another column with "
        "influx.time_column.");
  }
  if (column.refusal != nullptr) {
    return refuse(column.refusal_sqlstate,
                  psprintf("cannot write time column \"%s\": %s", server_string(table.time_name),
                           column.refusal));
  }
  set(table.time, time_datum(table.time_kind, nanoseconds));
  return true;
}

/// Finds the column of a key and puts the value there, or notes that the column is missing. False,
/// with a refusal, where the value has to go into the jsonb column, or the line be refused.
template <typename Value>
bool RowMapper::place(const Table& table, std::string_view key, const Value& value, ColumnRole role,
                      ColumnIndex* hint) {
  if (table.reserves(key)) {
    return refuse(ERRCODE_RESERVED_NAME,
                  psprintf("%s \"%s\" has the name of a column with a meaning of its own",
                           role_name(role), shown(key)));
  }
  const ColumnIndex index = table.find(key, *hint);
  *hint = index;
  if (index != kNoColumn) return place_in_column(table, index, value);

  const ColumnIndex overflow = role == ColumnRole::kTag ? table.tags : table.fields;
  if (overflow != kNoColumn) return false;
  return need(table, key, role, type_of(value));
}

template <typename Value>
bool RowMapper::place_in_column(const Table& table, ColumnIndex index, const Value& value) {
  const Column& column = table.column(index);
  if (column.refusal != nullptr) {
    return refuse(column.refusal_sqlstate, psprintf("cannot write column \"%s\": %s",
                                                    server_string(column.name), column.refusal));
  }
  if (taken_[static_cast<std::size_t>(index)] != 0) return refuse_second_role(column.name);
  Datum datum = 0;
  if (!to_datum(column, value, &datum, &refusal_)) return false;
  set(index, datum);
  return true;
}

bool RowMapper::need(const Table& table, std::string_view key, ColumnRole role, ValueType type) {
  int sqlstate = ERRCODE_UNDEFINED_COLUMN;
  const char* reason = nullptr;
  const char* hint = nullptr;
  if (!postgres::settings.auto_extend) {
    reason = "influx.auto_extend is off";
  } else if (!can_be_extended(table)) {
    reason = "columns cannot be added to it";
  } else {
    reason = room_or_name_refusal(table.width + needs_.columns.size(), key, &sqlstate, &hint);
  }
  if (reason != nullptr) {
    return refuse(sqlstate,
                  psprintf("table \"%s\" has no column \"%s\", and %s",
                           server_string(table.measurement), shown(key), reason),
                  hint);
  }
  return add_need(key, role, type);
}

bool RowMapper::add_need(std::string_view key, ColumnRole role, ValueType type) {
  if (needs_.has(std::string(key))) return refuse_second_role(key);
  needs_.add(key, role, type);
  return true;
}

bool RowMapper::refuse_second_role(std::string_view key) {
  return refuse(
      ERRCODE_DUPLICATE_COLUMN,
      psprintf("column \"%s\" cannot hold both a tag and a field of this name", shown(key)),
      "Use influx.layout = json, or give one of them another name.");
}

RowMapper::Result RowMapper::map_missing(const Point& point, bool by_user) {
  needs_.clear();
  const bool to_columns = !by_user && postgres::settings.layout == postgres::kLayoutColumns;
  const auto check = [&](std::string_view key, ColumnRole role, ValueType type) {
    if (to_columns) {
      int sqlstate = ERRCODE_RESERVED_NAME;
      const char* reason = nullptr;
      const char* hint = nullptr;
      if (key == postgres::settings.time_column || key == "_time" || key == "_tags" ||
          key == "_fields") {
        reason = "its name is that of a column with a meaning of its own";
      } else {
        reason = room_or_name_refusal(needs_.columns.size() + 1, key, &sqlstate, &hint);
      }
      if (reason != nullptr) {
        return refuse(
            sqlstate,
            psprintf("cannot make a column for %s \"%s\": %s", role_name(role), shown(key), reason),
            hint);
      }
    }
    if (to_columns) return add_need(key, role, type);
    needs_.add(key, role, type);
    return true;
  };
  for (const auto& tag : point.tags) {
    CHECK_FOR_INTERRUPTS();
    if (!check(tag.key, ColumnRole::kTag, ValueType::kString)) return Result::kRefused;
  }
  for (const auto& field : point.fields) {
    CHECK_FOR_INTERRUPTS();
    if (!check(field.key, ColumnRole::kField, field.value.type)) return Result::kRefused;
  }
  return Result::kNeedsExtension;
}

}  // namespace influx::ingest
