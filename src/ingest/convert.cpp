#include <charconv>
#include <cmath>
#include <limits>

#include "influx/ingest/convert.h"
#include "influx/ingest/json.h"
#include "influx/ingest/trouble.h"
#include "influx/line_protocol/precision.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/text.h"

namespace influx::ingest {

using line_protocol::FieldValue;
using line_protocol::ValueType;
using schema::Column;
using schema::ColumnKind;
using schema::TimeKind;

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;

/// From the epoch of Unix to the server's, in microseconds.
constexpr std::int64_t kBetweenEpochs =
    (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * static_cast<std::int64_t>(USECS_PER_DAY);

bool refuse(const Column& column, int sqlstate, const char* detail, Refusal* refusal) {
  *refusal = {};
  refusal->sqlstate = sqlstate;
  refusal->message = psprintf("value does not fit column \"%s\" of type %s",
                              postgres::server_string(column.name), format_type_be(column.type));
  refusal->detail = detail;
  return false;
}

bool out_of_range(const Column& column, Refusal* refusal) {
  return refuse(column, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, nullptr, refusal);
}

/// Whether the column is numeric(p, 0), or a domain over it as far as the column tells.
bool is_whole_numeric(const Column& column) noexcept {
  constexpr int kScaleMask = 0x7ff;  // numeric.c, make_numeric_typmod()
  return column.type_modifier >= 0 &&
         ((column.type_modifier - static_cast<int>(VARHDRSZ)) & kScaleMask) == 0;
}

/// The text of a value, as an input function takes it.
std::string_view text_of(const FieldValue& value) noexcept {
  if (value.type != ValueType::kBoolean) return value.text;
  return value.as_boolean ? "true" : "false";
}

/// Whether an input function would cut the text off without a word.
bool is_cut_by_input(Oid type, std::string_view text) noexcept {
  return (type == NAMEOID && text.size() >= NAMEDATALEN) || (type == CHAROID && text.size() > 1);
}

/// By the input function of the column's own type: its domain, length and scale are checked.
bool by_input_function(const Column& column, std::string_view text, Datum* datum,
                       Refusal* refusal) {
  if (is_cut_by_input(column.type, text)) return out_of_range(column, refusal);
  ErrorData* error = nullptr;
  if (postgres::input_value(&column.input, postgres::c_string(text), column.io_parameter,
                            column.type_modifier, datum, &error)) {
    return true;
  }
  // What is not about the value is the caller's to deal with.
  if (trouble_of(error->sqlerrcode) != Trouble::kRow) ReThrowError(error);
  return refuse(column, error->sqlerrcode, error->message, refusal);
}

bool fits_length(const Column& column, std::string_view text) {
  if (column.is_domain) return false;
  return pg_mbstrlen_with_len(text.data(), static_cast<int>(text.size())) <=
         column.type_modifier - static_cast<int>(VARHDRSZ);
}

bool from_text(const Column& column, std::string_view utf8, Datum* datum, Refusal* refusal) {
  const std::string_view text = postgres::from_utf8(utf8);
  if (column.kind == ColumnKind::kText && (!column.is_constrained() || fits_length(column, text))) {
    *datum = postgres::text_datum(text);
    return true;
  }
  if (!by_input_function(column, text, datum, refusal)) return false;
  if (column.kind != ColumnKind::kNumeric || !is_whole_numeric(column)) return true;
  // Digits behind the point would be rounded away.
  const Datum sent = DirectFunctionCall3(numeric_in, CStringGetDatum(postgres::c_string(text)),
                                         ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));
  return DatumGetBool(DirectFunctionCall2(numeric_eq, sent, *datum)) ||
         out_of_range(column, refusal);
}

/// The whole number that `value` is, if it is one that fits int64.
bool whole_number(const FieldValue& value, std::int64_t* number) noexcept {
  switch (value.type) {
    case ValueType::kInteger:
      *number = value.as_integer;
      return true;
    case ValueType::kUnsigned:
      *number = static_cast<std::int64_t>(value.as_unsigned);
      return value.as_unsigned <=
             static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    case ValueType::kFloat:
      if (!(value.as_float >= -kTwoTo63 && value.as_float < kTwoTo63)) return false;
      *number = static_cast<std::int64_t>(value.as_float);
      return static_cast<double>(*number) == value.as_float;
    default:
      return false;
  }
}

/// The double that a numeric `value` is, if it is one exactly.
bool exact_double(const FieldValue& value, double* number) noexcept {
  switch (value.type) {
    case ValueType::kFloat:
      *number = value.as_float;
      return true;
    case ValueType::kInteger:
      *number = static_cast<double>(value.as_integer);
      return *number < kTwoTo63 && static_cast<std::int64_t>(*number) == value.as_integer;
    case ValueType::kUnsigned:
      *number = static_cast<double>(value.as_unsigned);
      return *number < 2 * kTwoTo63 && static_cast<std::uint64_t>(*number) == value.as_unsigned;
    default:
      return false;
  }
}

bool to_float4(const Column& column, const FieldValue& value, Datum* datum, Refusal* refusal) {
  double exact = 0;
  if (!exact_double(value, &exact)) return out_of_range(column, refusal);
  // A fraction is rounded to the precision that the column's owner chose; an integer must survive.
  const auto rounded = static_cast<float>(exact);
  const bool vanished = rounded == 0 && exact != 0;
  const bool changed = value.type != ValueType::kFloat && static_cast<double>(rounded) != exact;
  if (std::isinf(rounded) || vanished || changed) return out_of_range(column, refusal);
  *datum = Float4GetDatum(rounded);
  return true;
}

bool to_integer(const Column& column, const FieldValue& value, Datum* datum, Refusal* refusal) {
  std::int64_t number = 0;
  if (!whole_number(value, &number)) return out_of_range(column, refusal);
  switch (column.kind) {
    case ColumnKind::kInt2:
      if (number < PG_INT16_MIN || number > PG_INT16_MAX) return out_of_range(column, refusal);
      *datum = Int16GetDatum(static_cast<int16>(number));
      return true;
    case ColumnKind::kInt4:
      if (number < PG_INT32_MIN || number > PG_INT32_MAX) return out_of_range(column, refusal);
      *datum = Int32GetDatum(static_cast<int32>(number));
      return true;
    default:
      *datum = Int64GetDatum(number);
      return true;
  }
}

bool to_numeric(const Column& column, const FieldValue& value, Datum* datum, Refusal* refusal) {
  if (value.type == ValueType::kInteger && !column.is_constrained()) {
    *datum = NumericGetDatum(int64_to_numeric(value.as_integer));
    return true;
  }
  // The digits as sent are kept, unless an exponent makes them longer than a double can mean.
  const bool plain =
      value.type != ValueType::kFloat ||
      (value.text.size() < 400 && value.text.find_first_of("eE") == std::string_view::npos);
  return from_text(column, plain ? value.text : shortest_decimal(value.as_float), datum, refusal);
}

bool is_number(ValueType type) noexcept {
  return type == ValueType::kFloat || type == ValueType::kInteger || type == ValueType::kUnsigned;
}

/// Makes a datum of the column's type of a value that is no string; of the column's own constraints
/// those are checked that an input function has to check anyway.
bool to_type(const Column& column, const FieldValue& value, Datum* datum, Refusal* refusal) {
  if (plain_datum(column.kind, value, datum)) return true;
  if (is_number(value.type)) {
    switch (column.kind) {
      case ColumnKind::kFloat8: {
        double exact = 0;
        if (!exact_double(value, &exact)) return out_of_range(column, refusal);
        *datum = Float8GetDatum(exact);
        return true;
      }
      case ColumnKind::kFloat4:
        return to_float4(column, value, datum, refusal);
      case ColumnKind::kInt2:
      case ColumnKind::kInt4:
      case ColumnKind::kInt8:
        return to_integer(column, value, datum, refusal);
      case ColumnKind::kNumeric:
        return to_numeric(column, value, datum, refusal);
      default:
        break;
    }
  }
  if (column.kind == ColumnKind::kJsonb) {
    *datum = jsonb_scalar(value);
    return true;
  }
  return from_text(column, text_of(value), datum, refusal);
}

}  // namespace

bool to_datum(const Column& column, std::string_view value, Datum* datum, Refusal* refusal) {
  return from_text(column, value, datum, refusal);
}

bool to_datum(const Column& column, const FieldValue& value, Datum* datum, Refusal* refusal) {
  if (value.type == ValueType::kString) return from_text(column, value.text, datum, refusal);
  if (!to_type(column, value, datum, refusal)) return false;
  const bool checked = !column.is_constrained() || column.kind == ColumnKind::kOther ||
                       column.kind == ColumnKind::kText || column.kind == ColumnKind::kNumeric;
  return checked || by_input_function(column, text_of(value), datum, refusal);
}

TimestampTz timestamp_of(std::int64_t nanoseconds) noexcept {
  return line_protocol::floor_to_microseconds(nanoseconds) - kBetweenEpochs;
}

std::int64_t nanoseconds_of(TimestampTz timestamp) noexcept {
  return (timestamp + kBetweenEpochs) * 1000;
}

Datum time_datum(TimeKind kind, std::int64_t nanoseconds) noexcept {
  if (kind == TimeKind::kNanoseconds) return Int64GetDatum(nanoseconds);
  return TimestampTzGetDatum(timestamp_of(nanoseconds));
}

const char* shortest_decimal(double value) {
  constexpr std::size_t kLongest = 32;  // of the shortest form: sign, 17 digits, point, exponent
  auto* text = static_cast<char*>(palloc(kLongest));
  *std::to_chars(text, text + kLongest - 1, value).ptr = '\0';
  return text;
}

}  // namespace influx::ingest
