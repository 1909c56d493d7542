#include "influx/line_protocol/bare_value.h"

#include "influx/line_protocol/number.h"
#include "influx/line_protocol/scan.h"

namespace influx::line_protocol {
namespace {

// The ten spellings of a boolean (protocol: values).
bool is_true(std::string_view token) noexcept {
  return token == "t" || token == "T" || token == "true" || token == "True" || token == "TRUE";
}

bool is_false(std::string_view token) noexcept {
  return token == "f" || token == "F" || token == "false" || token == "False" || token == "FALSE";
}

ErrorCode read_boolean(std::string_view token, FieldValue& value) noexcept {
  value.type = ValueType::kBoolean;
  value.text = token;
  value.as_boolean = is_true(token);
  return value.as_boolean || is_false(token) ? ErrorCode::kNone : ErrorCode::kInvalidBoolean;
}

}  // namespace

ErrorCode read_bare_value(std::string_view token, FieldValue& value) noexcept {
  const char first = token[0];
  if ((class_of(first) & kDigit) != 0 || first == '-' || first == '.' || first == '+') {
    return read_number(token, value);
  }
  if (first == 't' || first == 'T' || first == 'f' || first == 'F') {
    return read_boolean(token, value);
  }
  return ErrorCode::kInvalidFieldValue;
}

}  // namespace influx::line_protocol
