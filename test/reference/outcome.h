#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "influx/line_protocol/error.h"
#include "influx/line_protocol/parser.h"
#include "influx/line_protocol/point.h"
#include "influx/line_protocol/precision.h"

namespace influx::line_protocol::reference {

// What a parser makes of an input, as values that own their bytes and can be compared and printed.

struct OwnedTag {
  std::string key;
  std::string value;
  bool operator==(const OwnedTag&) const = default;
};

struct OwnedField {
  std::string key;
  ValueType type = ValueType::kBoolean;
  std::uint64_t bits = 0;  ///< of the value, whatever its type, so that -0.0 is not 0.0
  std::string text;
  bool operator==(const OwnedField&) const = default;
};

struct OwnedPoint {
  std::string measurement;
  std::vector<OwnedTag> tags;
  std::vector<OwnedField> fields;
  std::optional<std::int64_t> timestamp;
  bool operator==(const OwnedPoint&) const = default;
};

/// One point or one refused line.
struct Outcome {
  ErrorCode code = ErrorCode::kNone;  ///< kNone: a point
  std::size_t position = 0;           ///< of the error
  std::size_t line_number = 0;
  std::string line;
  OwnedPoint point;
  bool operator==(const Outcome&) const = default;
};

std::string to_string(const Outcome& outcome);
std::string to_string(const std::vector<Outcome>& outcomes);

/// A copy of `point` that owns its bytes.
OwnedPoint copy_of(const Point& point);

/// Everything that `parser` makes of `input`. The parser sees a copy that ends where its memory
/// does, so that a sanitizer notices when it reads on.
std::vector<Outcome> parse_all(Parser& parser, std::string_view input);
std::vector<Outcome> parse_all(std::string_view input,
                               Precision precision = Precision::kNanosecond);

}  // namespace influx::line_protocol::reference
