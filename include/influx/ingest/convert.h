#pragma once

#include "influx/ingest/refusal.h"
#include "influx/line_protocol/point.h"
#include "influx/schema/table.h"

namespace influx::ingest {

// Values of line protocol as datums of the server. Results live in the current memory context.

/// to_datum() for the pairs of types that always fit, for a column without constraints of its own.
/// False, and nothing done, for any other pair.
inline bool plain_datum(schema::ColumnKind kind, const line_protocol::FieldValue& value,
                        Datum* datum) noexcept {
  using line_protocol::ValueType;
  using schema::ColumnKind;
  if (value.type == ValueType::kInteger && kind == ColumnKind::kInt8) {
    *datum = Int64GetDatum(value.as_integer);
    return true;
  }
  if (value.type == ValueType::kFloat && kind == ColumnKind::kFloat8) {
    *datum = Float8GetDatum(value.as_float);
    return true;
  }
  if (value.type == ValueType::kBoolean && kind == ColumnKind::kBoolean) {
    *datum = BoolGetDatum(value.as_boolean);
    return true;
  }
  return false;
}

/// Makes a datum of `column`'s type of a field's value, if the value fits it without loss, by the
/// rules of docs/mapping.md. False, with the reason in `refusal`, where it does not fit. REQUIRES:
/// a transaction. Raises only what is not about the value.
bool to_datum(const schema::Column& column, const line_protocol::FieldValue& value, Datum* datum,
              Refusal* refusal);

/// The same for a tag's value, which is text.
bool to_datum(const schema::Column& column, std::string_view value, Datum* datum, Refusal* refusal);

/// Makes the datum of a time column. REQUIRES: a kind that takes a time.
Datum time_datum(schema::TimeKind kind, std::int64_t nanoseconds) noexcept;

/// Nanoseconds since the Unix epoch as a timestamp of the server, rounded down to microseconds.
TimestampTz timestamp_of(std::int64_t nanoseconds) noexcept;

/// A timestamp of the server as nanoseconds since the Unix epoch. REQUIRES: one that these can
/// hold.
std::int64_t nanoseconds_of(TimestampTz timestamp) noexcept;

/// The shortest decimal text that reads back as `value`, which is finite; zero-terminated.
const char* shortest_decimal(double value);

}  // namespace influx::ingest
