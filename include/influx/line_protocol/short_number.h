#pragma once

#include <array>
#include <bit>
#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "influx/line_protocol/point.h"
#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {

// Reading the numbers that senders mostly send in one pass over their bytes: up to 19 digits, which
// fit 64 bits, with a point in them or a suffix behind. Whatever is not such a number is left to
// read_number(), and all that is wrong is found there.

/// Digits, and what comes behind them.
struct DigitRun {
  static constexpr std::ptrdiff_t kMostDigits = 19;

  const char* end = nullptr;  ///< behind the last digit
  std::uint64_t value = 0;    ///< of the digits, if there are at most kMostDigits
};

template <class Number>
constexpr std::array<Number, DigitRun::kMostDigits + 1> make_powers_of_ten() noexcept {
  std::array<Number, DigitRun::kMostDigits + 1> powers{1};
  for (std::size_t i = 1; i < powers.size(); ++i)
    powers[i] = powers[i - 1] * 10;
  return powers;
}

template <class Number>
inline constexpr std::array kPowersOfTen = make_powers_of_ten<Number>();

/// How many of the eight bytes in `word` are digits before the first that is not.
inline unsigned count_digits(std::uint64_t word) noexcept {
  // The sums and differences that reach 0x80 mark what is above '9' and below '0'. A carry or
  // borrow can only come from a byte that is marked itself, so the first mark is right.
  const std::uint64_t marks =
      ((word + 0x4646464646464646U) | (word - 0x3030303030303030U)) & 0x8080808080808080U;
  return marks == 0 ? 8 : static_cast<unsigned>(std::countr_zero(marks)) / 8;
}

/// The value of the first `count` bytes of `word`. REQUIRES: they are digits, and 1 <= count <= 8.
inline std::uint64_t value_of_digits(std::uint64_t word, unsigned count) noexcept {
  // Moved to the end, with zeros in front, they are always eight digits; neighbours are joined to
  // numbers of two digits, of four, and of eight.
  word = (word & 0x0F0F0F0F0F0F0F0FU) << (64 - 8 * count);
  word = word * 10 + (word >> 8);
  constexpr std::uint64_t kPairs = 0x000000FF000000FFU;  // the first and the third of the four
  const std::uint64_t first_and_third = (word & kPairs) * (100 + (std::uint64_t{1000000} << 32));
  const std::uint64_t others = ((word >> 16) & kPairs) * (1 + (std::uint64_t{10000} << 32));
  return (first_and_third + others) >> 32;
}

/// Reads as many digits as there are at `at`, where `word` was loaded and begins with `count`.
[[gnu::always_inline]] inline DigitRun read_digits(const char* at, const char* end,
                                                   std::uint64_t word, unsigned count) noexcept {
  DigitRun run;
  if (count != 0) run.value = value_of_digits(word, count);
  at += count;
  while (count == 8) {
    word = load_word(at, end);
    count = count_digits(word);
    if (count == 0) break;
    run.value = run.value * kPowersOfTen<std::uint64_t>[count] + value_of_digits(word, count);
    at += count;
  }
  run.end = at;
  return run;
}

[[gnu::always_inline]] inline DigitRun read_digits(const char* at, const char* end) noexcept {
  const std::uint64_t word = load_word(at, end);
  return read_digits(at, end, word, count_digits(word));
}

/// Whether `byte` ends the value of a field.
constexpr bool ends_value(unsigned byte) noexcept {
  constexpr std::uint64_t kEnds =
      std::uint64_t{1} << ',' | std::uint64_t{1} << ' ' | std::uint64_t{1} << '\n';
  return byte < 64 && (kEnds >> byte & 1) != 0;
}

/// Reads a number as the value of a field, if it is a short one with a comma, a space, a line feed
/// or the end of the input behind it: returns where it ends, or null and leaves `value` undefined.
[[gnu::always_inline]] inline const char* read_short_number(const char* at, const char* end,
                                                            FieldValue& value) noexcept {
  const auto is_end = [end](const char* behind) {
    return behind == end || ends_value(static_cast<unsigned char>(*behind));
  };
  const auto text_up_to = [start = at](const char* behind) {
    return std::string_view(start, static_cast<std::size_t>(behind - start));
  };
  // A small integer and what ends it are all in one word.
  std::uint64_t word = load_word(at, end);
  unsigned count = count_digits(word);
  if (count - 1U < 6U) {
    const std::uint64_t rest = word >> (8 * count);
    if ((rest & 0xFF) == 'i' && ends_value(rest >> 8 & 0xFF)) {
      value.type = ValueType::kInteger;
      value.as_integer = static_cast<std::int64_t>(value_of_digits(word, count));
      value.text = text_up_to(at + count);
      return at + count + 1;
    }
  }

  const bool negative = (word & 0xFF) == '-';
  if (negative) {
    ++at;
    word = load_word(at, end);
    count = count_digits(word);
  }
  const DigitRun whole = read_digits(at, end, word, count);
  const std::ptrdiff_t digits = whole.end - at;
  if (digits == 0 || digits > DigitRun::kMostDigits) return nullptr;

  const char* behind = whole.end;
  if (behind != end && *behind == 'i') {
    constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
    if (!is_end(behind + 1) || whole.value > kMax + negative) return nullptr;
    value.type = ValueType::kInteger;
    value.as_integer = static_cast<std::int64_t>(negative ? 0 - whole.value : whole.value);
    value.text = text_up_to(behind);
    return behind + 1;
  }
  if (behind != end && *behind == 'u') {
    if (!is_end(behind + 1) || negative) return nullptr;
    value.type = ValueType::kUnsigned;
    value.as_unsigned = whole.value;
    value.text = text_up_to(behind);
    return behind + 1;
  }

  std::uint64_t mantissa = whole.value;
  std::ptrdiff_t decimals = 0;
  if (behind != end && *behind == '.') {
    const DigitRun fraction = read_digits(behind + 1, end);
    decimals = fraction.end - (behind + 1);
    if (digits + decimals > DigitRun::kMostDigits) return nullptr;
    mantissa =
        mantissa * kPowersOfTen<std::uint64_t>[static_cast<std::size_t>(decimals)] + fraction.value;
    behind = fraction.end;
  }
  // Both operands are exact and the quotient is rounded once, so it is the nearest float8 (Clinger,
  // How to Read Floating Point Numbers Accurately, 1990). That needs doubles computed as doubles.
  constexpr std::uint64_t kMostExact = std::uint64_t{1} << 53;
  if (FLT_EVAL_METHOD != 0 || mantissa > kMostExact || !is_end(behind)) return nullptr;
  const double magnitude = static_cast<double>(static_cast<std::int64_t>(mantissa)) /
                           kPowersOfTen<double>[static_cast<std::size_t>(decimals)];
  value.type = ValueType::kFloat;
  value.as_float = negative ? -magnitude : magnitude;
  value.text = text_up_to(behind);
  return behind;
}

}  // namespace influx::line_protocol
