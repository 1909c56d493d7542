#include "influx/ingest/json.h"

#include "influx/ingest/convert.h"
#include "influx/postgres/text.h"

namespace influx::ingest {

using line_protocol::FieldValue;
using line_protocol::ValueType;

namespace {

JsonbValue string_value(std::string_view utf8) {
  const std::string_view text = postgres::from_utf8(utf8);
  JsonbValue json{};
  json.type = jbvString;
  json.val.string.val = const_cast<char*>(text.data());
  json.val.string.len = static_cast<int>(text.size());
  return json;
}

Numeric numeric_from_text(const char* digits) {
  return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(digits),
                                             ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

JsonbValue scalar(const FieldValue& value) {
  JsonbValue json{};
  json.type = jbvNumeric;
  switch (value.type) {
    case ValueType::kString:
      return string_value(value.text);
    case ValueType::kBoolean:
      json.type = jbvBool;
      json.val.boolean = value.as_boolean;
      break;
    case ValueType::kInteger:
      json.val.numeric = int64_to_numeric(value.as_integer);
      break;
    case ValueType::kUnsigned:
      json.val.numeric = numeric_from_text(postgres::c_string(value.text));
      break;
    case ValueType::kFloat:
      json.val.numeric = numeric_from_text(shortest_decimal(value.as_float));
      break;
  }
  return json;
}

}  // namespace

void JsonObject::open() {
  if (state_ == nullptr) pushJsonbValue(&state_, WJB_BEGIN_OBJECT, nullptr);
}

void JsonObject::add_key(std::string_view key) {
  open();
  JsonbValue json = string_value(key);
  pushJsonbValue(&state_, WJB_KEY, &json);
}

void JsonObject::add(std::string_view key, std::string_view text) {
  add_key(key);
  JsonbValue json = string_value(text);
  pushJsonbValue(&state_, WJB_VALUE, &json);
}

void JsonObject::add(std::string_view key, const FieldValue& value) {
  add_key(key);
  JsonbValue json = scalar(value);
  pushJsonbValue(&state_, WJB_VALUE, &json);
}

Datum JsonObject::finish() {
  open();
  return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state_, WJB_END_OBJECT, nullptr)));
}

Datum jsonb_scalar(const FieldValue& value) {
  JsonbValue json = scalar(value);
  return JsonbPGetDatum(JsonbValueToJsonb(&json));
}

}  // namespace influx::ingest
