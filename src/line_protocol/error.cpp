#include "influx/line_protocol/error.h"

namespace influx::line_protocol {

std::string_view describe(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kNone:
      return "no error";
    case ErrorCode::kMissingMeasurement:
      return "missing measurement name";
    case ErrorCode::kControlCharacter:
      return "control character outside a string";
    case ErrorCode::kInvalidUtf8:
      return "invalid UTF-8 byte sequence";
    case ErrorCode::kMissingTagKey:
      return "missing tag key";
    case ErrorCode::kMissingTagValue:
      return "missing tag value";
    case ErrorCode::kUnescapedComma:
      return "unescaped comma in a key";
    case ErrorCode::kUnescapedEquals:
      return "unescaped equals sign in a tag value";
    case ErrorCode::kDuplicateTag:
      return "duplicate tag key";
    case ErrorCode::kMissingFields:
      return "missing fields";
    case ErrorCode::kMissingFieldKey:
      return "missing field key";
    case ErrorCode::kMissingFieldValue:
      return "missing field value";
    case ErrorCode::kInvalidNumber:
      return "invalid number";
    case ErrorCode::kFloatOutOfRange:
      return "float value out of range";
    case ErrorCode::kIntegerOutOfRange:
      return "integer value out of range";
    case ErrorCode::kUnsignedOutOfRange:
      return "unsigned integer value out of range";
    case ErrorCode::kInvalidBoolean:
      return "invalid boolean";
    case ErrorCode::kInvalidFieldValue:
      return "field value is not a string, number or boolean";
    case ErrorCode::kUnterminatedString:
      return "unterminated string";
    case ErrorCode::kNulInString:
      return "zero byte in a string";
    case ErrorCode::kInvalidTimestamp:
      return "invalid timestamp";
    case ErrorCode::kTimestampOutOfRange:
      return "timestamp out of range";
    case ErrorCode::kTrailingCharacters:
      return "unexpected characters after a value";
  }
  return "unknown error";
}

}  // namespace influx::line_protocol
