#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace influx::line_protocol {

/// The five kinds of field value.
enum class ValueType : std::uint8_t { kFloat, kInteger, kUnsigned, kBoolean, kString };

/// A typed field value. Plain data; the views follow the rules of Point.
struct FieldValue {
  ValueType type = ValueType::kBoolean;
  /// The value of every type but kString; the member that `type` names is the live one.
  union {
    double as_float;
    std::int64_t as_integer;
    std::uint64_t as_unsigned;
    bool as_boolean = false;
  };
  /// kString: the contents, unescaped, without the quotes. Any other type: the literal as sent,
  /// without the suffix `i` or `u` of an integer.
  std::string_view text;
};

/// A tag: always text.
struct Tag {
  std::string_view key;
  std::string_view value;
};

/// A field: a name and a typed value.
struct Field {
  std::string_view key;
  FieldValue value;
};

/// Names something that the parser has seen before, so that the user of points can keep what it
/// made of it: in a table beside the parser's, at `slot`, together with the id. Slots are given out
/// from 0 on and again after what they held was forgotten, which is what the id tells.
struct Remembered {
  std::uint32_t slot = 0;  ///< below Parser::kSeriesSlots or Parser::kFieldKeysSlots
  std::uint64_t id = 0;    ///< 0: not remembered. One parser never gives it to anything else.
};

/// One parsed line. Its views point into the input or into memory of the parser, where an escape
/// had to be resolved or the parser has seen the same before; its spans point into memory of the
/// parser. All of them stay valid until the parser reads the next line or is reset.
///
/// Every text is valid UTF-8 without NUL. Tag keys are unique, field keys are unique; a tag and a
/// field may share a key.
struct Point {
  std::string_view measurement;
  std::span<const Tag> tags;
  std::span<const Field> fields;  ///< at least one
  std::optional<std::int64_t>
      timestamp;  ///< nanoseconds since the epoch, nothing where none was sent

  /// Of measurement and tags: points with the same id, not 0, have the same.
  Remembered series;
  /// Of the keys of the fields, whatever the series: points with the same id, not 0, have the same
  /// keys in the same order. A line that named a field twice has none.
  Remembered field_keys;
};

}  // namespace influx::line_protocol
