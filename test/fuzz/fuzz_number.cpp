// Numbers, against a grammar written out as a table of states and the C library's conversions.

#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "influx/line_protocol/number.h"
#include "influx/line_protocol/short_number.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

enum State {
  kStart,
  kSign,
  kWhole,
  kPoint,
  kFirstPoint,
  kFraction,
  kE,
  kESign,
  kPower,
  kInt,
  kUint,
  kBad
};

State step(State state, char byte, bool negative) {
  const bool digit = byte >= '0' && byte <= '9';
  const bool exponent = byte == 'e' || byte == 'E';
  switch (state) {
    case kStart:
      if (byte == '-') return kSign;
      [[fallthrough]];
    case kSign:
      return digit ? kWhole : byte == '.' ? kFirstPoint : kBad;
    case kWhole:
      if (byte == 'i') return kInt;
      if (byte == 'u' && !negative) return kUint;
      return digit ? kWhole : byte == '.' ? kPoint : exponent ? kE : kBad;
    case kFirstPoint:
      return digit ? kFraction : kBad;
    case kPoint:
    case kFraction:
      return digit ? kFraction : exponent ? kE : kBad;
    case kE:
      if (byte == '+' || byte == '-') return kESign;
      [[fallthrough]];
    case kESign:
    case kPower:
      return digit ? kPower : kBad;
    case kInt:
    case kUint:
    case kBad:
      break;
  }
  return kBad;
}

NumberKind kind_of(std::string_view token) {
  State state = kStart;
  for (const char byte : token)
    state = step(state, byte, token[0] == '-');
  if (state == kInt) return NumberKind::kInteger;
  if (state == kUint) return NumberKind::kUnsigned;
  const bool is_float = state == kWhole || state == kPoint || state == kFraction || state == kPower;
  return is_float ? NumberKind::kFloat : NumberKind::kNone;
}

void check_float(const std::string& token, ErrorCode code, const FieldValue& value) {
  const double expected = std::strtod(token.c_str(), nullptr);
  if (std::isinf(expected)) return check(code == ErrorCode::kFloatOutOfRange, "too large a float");
  check(code == ErrorCode::kNone && value.type == ValueType::kFloat, "a float");
  check(std::bit_cast<std::uint64_t>(value.as_float) == std::bit_cast<std::uint64_t>(expected),
        "the float of the C library");
  check(value.text == token, "the literal of a float");
}

void check_integer(const std::string& token, ErrorCode code, const FieldValue& value) {
  const std::string literal = token.substr(0, token.size() - 1);
  errno = 0;
  const std::int64_t expected = std::strtoll(literal.c_str(), nullptr, 10);
  if (errno == ERANGE) return check(code == ErrorCode::kIntegerOutOfRange, "too large an integer");
  check(code == ErrorCode::kNone && value.type == ValueType::kInteger, "an integer");
  check(value.as_integer == expected, "the integer of the C library");
  check(value.text == literal, "the literal of an integer");
}

void check_unsigned(const std::string& token, ErrorCode code, const FieldValue& value) {
  const std::string literal = token.substr(0, token.size() - 1);
  errno = 0;
  const std::uint64_t expected = std::strtoull(literal.c_str(), nullptr, 10);
  if (errno == ERANGE)
    return check(code == ErrorCode::kUnsignedOutOfRange, "too large an unsigned");
  check(code == ErrorCode::kNone && value.type == ValueType::kUnsigned, "an unsigned integer");
  check(value.as_unsigned == expected, "the unsigned integer of the C library");
  check(value.text == literal, "the literal of an unsigned integer");
}

// The quick way may leave a number to the other one, but must not see one where there is none, end
// elsewhere or find another value.
void check_short(const std::string& token, ErrorCode code, const FieldValue& value) {
  for (const std::string behind : {"", ",", " ", "\n", ",x=12345678901234567890", " 12"}) {
    const std::string text = token + behind;
    const auto bytes = std::make_unique<char[]>(text.size());
    text.copy(bytes.get(), text.size());
    FieldValue quick;
    const char* const end = read_short_number(bytes.get(), bytes.get() + text.size(), quick);
    if (end == nullptr || token.find_first_of(", \n") != std::string::npos) continue;
    check(code == ErrorCode::kNone, "a short number is a number");
    check(end == bytes.get() + token.size(), "the end of a short number");
    check(quick.type == value.type && quick.text == value.text &&
              quick.as_unsigned == value.as_unsigned,
          "the value of a short number");
  }
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  const std::string token(reinterpret_cast<const char*>(data), size);
  const NumberKind kind = kind_of(token);
  check(recognise_number(token) == kind, "the kind of number");

  FieldValue value;
  const ErrorCode code = read_number(token, value);
  check_short(token, code, value);
  switch (kind) {
    case NumberKind::kNone:
      check(code == ErrorCode::kInvalidNumber, "no number");
      break;
    case NumberKind::kFloat:
      check_float(token, code, value);
      break;
    case NumberKind::kInteger:
      check_integer(token, code, value);
      break;
    case NumberKind::kUnsigned:
      check_unsigned(token, code, value);
      break;
  }
  return 0;
}
