#pragma once

#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "reference/outcome.h"

// What the tests of the parser share: parsing an input that holds one line, and saying what of it.

namespace influx::line_protocol::testing {

using reference::Outcome;
using reference::OwnedField;
using reference::OwnedPoint;
using reference::OwnedTag;
using reference::parse_all;

/// The one point that `input` holds; an empty point, and a failed test, if that is not what it
/// holds.
inline OwnedPoint point_of(std::string_view input, Precision precision = Precision::kNanosecond) {
  const std::vector<Outcome> outcomes = parse_all(input, precision);
  if (outcomes.size() == 1 && outcomes[0].code == ErrorCode::kNone) return outcomes[0].point;
  ADD_FAILURE() << "not one point: " << input << "\n" << to_string(outcomes);
  return {};
}

/// The one field of the one point that `input` holds.
inline OwnedField field_of(std::string_view input) {
  const OwnedPoint point = point_of(input);
  if (point.fields.size() == 1) return point.fields[0];
  ADD_FAILURE() << "not one field: " << input;
  return {};
}

/// The field that `literal` makes as the value of one.
inline OwnedField value_of(std::string_view literal) {
  return field_of("m v=" + std::string(literal));
}

inline double float_of(std::string_view literal) {
  const OwnedField field = value_of(literal);
  EXPECT_EQ(field.type, ValueType::kFloat) << literal;
  return std::bit_cast<double>(field.bits);
}

/// Expects that the whole of `input` is one line, refused for `code` at `position`.
inline void expect_refused(std::string_view input, ErrorCode code, std::size_t position) {
  const std::vector<Outcome> outcomes = parse_all(input);
  ASSERT_EQ(outcomes.size(), 1U) << input << "\n" << to_string(outcomes);
  EXPECT_EQ(describe(outcomes[0].code), describe(code)) << input;
  EXPECT_EQ(outcomes[0].position, position) << input;
}

/// Expects that the whole of `input` is one line, refused for `code`.
inline void expect_refused(std::string_view input, ErrorCode code) {
  const std::vector<Outcome> outcomes = parse_all(input);
  ASSERT_EQ(outcomes.size(), 1U) << input << "\n" << to_string(outcomes);
  EXPECT_EQ(describe(outcomes[0].code), describe(code)) << input;
}

/// The measurements of the points in `input`, refused lines as `!`.
inline std::string summary_of(std::string_view input) {
  std::string summary;
  for (const Outcome& outcome : parse_all(input)) {
    if (!summary.empty()) summary += ' ';
    summary += outcome.code == ErrorCode::kNone ? outcome.point.measurement : "!";
  }
  return summary;
}

}  // namespace influx::line_protocol::testing
