#include "influx/line_protocol/number.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <system_error>

#include "influx/line_protocol/scan.h"

namespace influx::line_protocol {
namespace {

constexpr bool is_digit(char byte) noexcept {
  return (class_of(byte) & kDigit) != 0;
}

constexpr const char* skip_digits(const char* at, const char* end) noexcept {
  while (at != end && is_digit(*at))
    ++at;
  return at;
}

// Whether a float that the library could not represent is too large, as opposed to too small: the
// library gives one answer for both. What decides is the power of ten of the first digit that is
// not zero. Only its sign counts here: nothing near 1 is ever out of range.
bool is_huge(std::string_view literal) noexcept {
  const std::size_t mantissa_size = std::min(literal.find_first_of("eE"), literal.size());
  const std::string_view mantissa = literal.substr(0, mantissa_size);
  const std::size_t first = mantissa.find_first_of("123456789");
  if (first == std::string_view::npos) return false;
  const std::size_t point = std::min(mantissa.find('.'), mantissa.size());
  const std::int64_t magnitude =
      static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (mantissa_size == literal.size()) return magnitude > 0;

  std::string_view exponent = literal.substr(mantissa_size + 1);
  const bool negative = exponent.front() == '-';
  if (negative || exponent.front() == '+') exponent.remove_prefix(1);
  std::int64_t power = 0;
  const auto result = std::from_chars(exponent.data(), exponent.data() + exponent.size(), power);
  // An exponent of this size is more than any number of digits can make up for.
  constexpr std::int64_t kEnough = std::int64_t{1} << 62;
  if (result.ec != std::errc() || power >= kEnough) return !negative;
  return (negative ? -power : power) + magnitude > 0;
}

// As many digits as always fit 64 bits.
constexpr std::size_t kSafeDigits = 19;

// The value of `digits`. REQUIRES: at most kSafeDigits of them.
constexpr std::uint64_t value_of(std::string_view digits) noexcept {
  std::uint64_t value = 0;
  for (const char digit : digits)
    value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  return value;
}

}  // namespace

NumberKind recognise_number(std::string_view token) noexcept {
  const char* at = token.data();
  const char* const end = at + token.size();
  const bool negative = at != end && *at == '-';
  if (negative) ++at;
  const char* const whole = at;
  at = skip_digits(at, end);
  const bool has_whole = at != whole;

  if (has_whole && end - at == 1) {
    if (*at == 'i') return NumberKind::kInteger;
    if (*at == 'u') return negative ? NumberKind::kNone : NumberKind::kUnsigned;
  }
  if (at != end && *at == '.') {
    const char* const fraction = ++at;
    at = skip_digits(at, end);
    if (!has_whole && at == fraction) return NumberKind::kNone;
  } else if (!has_whole) {
    return NumberKind::kNone;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '-' || *at == '+')) ++at;
    const char* const exponent = at;
    at = skip_digits(at, end);
    if (at == exponent) return NumberKind::kNone;
  }
  return at == end ? NumberKind::kFloat : NumberKind::kNone;
}

bool is_decimal_integer(std::string_view token) noexcept {
  if (token.starts_with('-')) token.remove_prefix(1);
  const char* const end = token.data() + token.size();
  return !token.empty() && skip_digits(token.data(), end) == end;
}

ErrorCode convert_float(std::string_view literal, double& value) noexcept {
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  if (result.ec == std::errc::result_out_of_range) {
    if (is_huge(literal)) return ErrorCode::kFloatOutOfRange;
    value = literal.front() == '-' ? -0.0 : 0.0;
  }
  return ErrorCode::kNone;
}

ErrorCode convert_integer(std::string_view literal, std::int64_t& value) noexcept {
  // Timestamps and most values are this short; the library then sees only what is longer.
  const bool negative = literal.front() == '-';
  const std::string_view digits = literal.substr(negative ? 1 : 0);
  if (digits.size() <= kSafeDigits) {
    const std::uint64_t magnitude = value_of(digits);
    const std::uint64_t limit = std::uint64_t{std::numeric_limits<std::int64_t>::max()} + negative;
    if (magnitude > limit) return ErrorCode::kIntegerOutOfRange;
    value = static_cast<std::int64_t>(negative ? 0 - magnitude : magnitude);
    return ErrorCode::kNone;
  }
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  return result.ec == std::errc() ? ErrorCode::kNone : ErrorCode::kIntegerOutOfRange;
}

ErrorCode convert_unsigned(std::string_view literal, std::uint64_t& value) noexcept {
  const auto result = std::from_chars(literal.data(), literal.data() + literal.size(), value);
  return result.ec == std::errc() ? ErrorCode::kNone : ErrorCode::kUnsignedOutOfRange;
}

ErrorCode read_number(std::string_view token, FieldValue& value) noexcept {
  value.text = token;
  ErrorCode code = ErrorCode::kInvalidNumber;
  switch (recognise_number(token)) {
    case NumberKind::kFloat: {
      double number = 0;
      code = convert_float(token, number);
      value.type = ValueType::kFloat;
      value.as_float = number;
      break;
    }
    case NumberKind::kInteger: {
      std::int64_t number = 0;
      value.text.remove_suffix(1);
      code = convert_integer(value.text, number);
      value.type = ValueType::kInteger;
      value.as_integer = number;
      break;
    }
    case NumberKind::kUnsigned: {
      std::uint64_t number = 0;
      value.text.remove_suffix(1);
      code = convert_unsigned(value.text, number);
      value.type = ValueType::kUnsigned;
      value.as_unsigned = number;
      break;
    }
    case NumberKind::kNone:
      break;
  }
  return code;
}

}  // namespace influx::line_protocol
