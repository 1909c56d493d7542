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

/// Names something that the parser has seen before, so that a user of points can keep what it made
/// of it in a table of its own.
struct Remembered {
  std::uint32_t slot = 0;  ///< an index for that table, below the number of slots of its kind
  std::uint64_t id = 0;    ///< 0: not remembered. No parser gives an id to two different things.
};

/// One parsed line. Its views point into the input or, where an escape had to be resolved, into
/// memory of the parser; its spans point into memory of the parser. All of them stay valid until
/// the parser reads the next line or is reset.
///
/// Every text is valid UTF-8 without NUL. Tag keys are unique, field keys are unique; a tag and a
/// field may share a key.
struct Point {
  std::string_view measurement;
  std::span<const Tag> tags;
  std::span<const Field> fields;  ///< at least one
  std::optional<std::int64_t>
      timestamp;          ///< nanoseconds since the epoch, nothing where none was sent
  Remembered series;      ///< the measurement with the tags
  Remembered field_keys;  ///< the keys of the fields, in their order
};

}  // namespace influx::line_protocol
