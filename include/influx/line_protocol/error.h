#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace influx::line_protocol {

/// Why a line was refused. Zero means that nothing is wrong.
enum class ErrorCode : std::uint8_t {
  kNone = 0,
  kMissingMeasurement,   ///< the line starts with a comma
  kControlCharacter,     ///< a byte 0x00-0x1F or 0x7F outside a string
  kInvalidUtf8,          ///< a name or string is not valid UTF-8
  kMissingTagKey,        ///< nothing before the `=` of a tag
  kMissingTagValue,      ///< a tag key without `=`, or nothing behind it
  kUnescapedComma,       ///< a comma where a key goes on
  kUnescapedEquals,      ///< an `=` inside a tag value
  kDuplicateTag,         ///< the same tag key twice
  kMissingFields,        ///< no field behind the measurement and the tags
  kMissingFieldKey,      ///< nothing before the `=` of a field
  kMissingFieldValue,    ///< a field key without `=`, or nothing behind it
  kInvalidNumber,        ///< not a number of the grammar
  kFloatOutOfRange,      ///< larger than the largest float8
  kIntegerOutOfRange,    ///< outside int64
  kUnsignedOutOfRange,   ///< outside uint64
  kInvalidBoolean,       ///< starts like a boolean and is none
  kInvalidFieldValue,    ///< neither a string nor a number nor a boolean
  kUnterminatedString,   ///< no closing quote
  kNulInString,          ///< a zero byte in a string: text cannot hold it
  kInvalidTimestamp,     ///< not a decimal integer
  kTimestampOutOfRange,  ///< outside int64, as sent or in nanoseconds
  kTrailingCharacters,   ///< something behind a value or the timestamp that may not be there
};

/// A short description of `code` for a message: lower case, no full stop.
std::string_view describe(ErrorCode code) noexcept;

/// What is wrong with a line, and where.
struct ParseError {
  ErrorCode code = ErrorCode::kNone;
  /// Number of the line in the input at which the refused point starts, from 1. Each LF of the
  /// input counts, those inside strings too.
  std::size_t line_number = 0;
  /// The byte at which the error was noticed, counted from the start of the refused line, from 0.
  std::size_t position = 0;
};

}  // namespace influx::line_protocol
