#pragma once

#include <cstdint>
#include <string_view>

#include "influx/line_protocol/error.h"
#include "influx/line_protocol/point.h"

namespace influx::line_protocol {

// Numbers are first recognised by our own grammar and then converted, so that a library's idea of
// what a number is ("inf", hexadecimal, a leading plus) never decides. No locale is involved.

/// What a token is by the grammar of numbers.
enum class NumberKind : std::uint8_t { kNone, kFloat, kInteger, kUnsigned };

/// The kind of number that the whole of `token` is, suffix included; kNone for anything else.
NumberKind recognise_number(std::string_view token) noexcept;

/// Whether the whole of `token` is an optional minus sign and digits, as a timestamp is.
bool is_decimal_integer(std::string_view token) noexcept;

/// Converts a recognised float to the nearest float8. One that is too small becomes a zero of its
/// sign; one that is too large is kFloatOutOfRange. REQUIRES: recognised as kFloat.
ErrorCode convert_float(std::string_view literal, double& value) noexcept;

/// Converts an optional minus sign and digits; kIntegerOutOfRange where int64 does not hold the
/// value. REQUIRES: is_decimal_integer(literal).
ErrorCode convert_integer(std::string_view literal, std::int64_t& value) noexcept;

/// Converts digits; kUnsignedOutOfRange where uint64 does not hold the value.
/// REQUIRES: one digit or more and nothing else.
ErrorCode convert_unsigned(std::string_view literal, std::uint64_t& value) noexcept;

/// Reads the whole of `token` as a number of any kind. `value` is set if the result is kNone.
ErrorCode read_number(std::string_view token, FieldValue& value) noexcept;

}  // namespace influx::line_protocol
