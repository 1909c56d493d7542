#include "reference/outcome.h"

#include <bit>
#include <cstdio>
#include <cstring>
#include <memory>

namespace influx::line_protocol::reference {
namespace {

std::uint64_t bits_of(const FieldValue& value) {
  switch (value.type) {
    case ValueType::kFloat:
      return std::bit_cast<std::uint64_t>(value.as_float);
    case ValueType::kInteger:
      return static_cast<std::uint64_t>(value.as_integer);
    case ValueType::kUnsigned:
      return value.as_unsigned;
    case ValueType::kBoolean:
      return value.as_boolean ? 1 : 0;
    case ValueType::kString:
      break;
  }
  return 0;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char byte : text) {
    const unsigned value = static_cast<unsigned char>(byte);
    if (byte == '"' || byte == '\\') {
      out += '\\';
      out += byte;
    } else if (value >= 0x20 && value < 0x7F) {
      out += byte;
    } else {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02X", value);
      out += buffer;
    }
  }
  return out + "\"";
}

}  // namespace

std::string to_string(const Outcome& outcome) {
  std::string out = "line " + std::to_string(outcome.line_number) + " " + quoted(outcome.line);
  if (outcome.code != ErrorCode::kNone) {
    return out + ": " + std::string(describe(outcome.code)) + " at " +
           std::to_string(outcome.position);
  }
  out += ": " + quoted(outcome.point.measurement);
  for (const OwnedTag& tag : outcome.point.tags)
    out += " " + quoted(tag.key) + ":" + quoted(tag.value);
  for (const OwnedField& field : outcome.point.fields) {
    out += " " + quoted(field.key) + "=" + "fiubs"[static_cast<unsigned>(field.type)] +
           std::to_string(field.bits) + quoted(field.text);
  }
  if (outcome.point.timestamp) out += " @" + std::to_string(*outcome.point.timestamp);
  return out;
}

std::string to_string(const std::vector<Outcome>& outcomes) {
  std::string out;
  for (const Outcome& outcome : outcomes)
    out += to_string(outcome) + "\n";
  return out;
}

OwnedPoint copy_of(const Point& point) {
  OwnedPoint copy;
  copy.measurement = point.measurement;
  for (const Tag& tag : point.tags)
    copy.tags.push_back({std::string(tag.key), std::string(tag.value)});
  for (const Field& field : point.fields) {
    copy.fields.push_back({std::string(field.key), field.value.type, bits_of(field.value),
                           std::string(field.value.text)});
  }
  copy.timestamp = point.timestamp;
  return copy;
}

std::vector<Outcome> parse_all(Parser& parser, std::string_view input) {
  const auto bytes = std::make_unique<char[]>(input.size());
  if (!input.empty()) std::memcpy(bytes.get(), input.data(), input.size());
  std::vector<Outcome> outcomes;
  parser.reset({bytes.get(), input.size()});
  for (;;) {
    const Parser::Result result = parser.next();
    if (result == Parser::Result::kEnd) return outcomes;
    Outcome outcome;
    outcome.line_number = parser.line_number();
    outcome.line = parser.line();
    if (result == Parser::Result::kPoint) {
      outcome.point = copy_of(parser.point());
    } else {
      outcome.code = parser.error().code;
      outcome.position = parser.error().position;
      outcome.line_number = parser.error().line_number;
    }
    outcomes.push_back(std::move(outcome));
  }
}

std::vector<Outcome> parse_all(std::string_view input, Precision precision) {
  Parser parser(precision);
  return parse_all(parser, input);
}

}  // namespace influx::line_protocol::reference
