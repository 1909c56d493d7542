#include "reference/reference_parser.h"

#include <bit>
#include <cmath>
#include <cstdlib>
#include <string>

namespace influx::line_protocol::reference {
namespace {

using Wide = __int128;
constexpr Wide kMaxInteger = (Wide{1} << 63) - 1;
constexpr Wide kMinInteger = -(Wide{1} << 63);
constexpr Wide kMaxUnsigned = (Wide{1} << 64) - 1;
constexpr Wide kMillion = 1000000;
constexpr Wide kBillion = 1000000000;

struct Refusal {
  ErrorCode code;
  std::size_t index;  // in the input
};

bool is_one_of(char byte, std::string_view set) {
  return set.find(byte) != std::string_view::npos;
}
bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}
bool is_control(char byte) {
  return (byte >= 0 && byte < 0x20) || byte == 0x7F;
}

// Takes digits off the front of `text`; how many there were.
std::size_t take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (!text.empty() && is_digit(text.front())) {
    text.remove_prefix(1);
    ++count;
  }
  return count;
}

bool take(std::string_view& text, std::string_view one_of) {
  if (text.empty() || !is_one_of(text.front(), one_of)) return false;
  text.remove_prefix(1);
  return true;
}

bool is_float(std::string_view text) {
  take(text, "-");
  const std::size_t whole = take_digits(text);
  if (take(text, ".")) {
    if (whole + take_digits(text) == 0) return false;
  } else if (whole == 0) {
    return false;
  }
  if (take(text, "eE")) {
    take(text, "+-");
    if (take_digits(text) == 0) return false;
  }
  return text.empty();
}

bool is_integer(std::string_view text) {
  take(text, "-");
  return take_digits(text) > 0 && text.empty();
}

// The value of an integer; one that is far out of any range stays out of it.
Wide integer_value(std::string_view text) {
  const bool negative = take(text, "-");
  Wide value = 0;
  for (const char digit : text) {
    if (value <= kMaxUnsigned) value = value * 10 + (digit - '0');
  }
  return negative ? -value : value;
}

// Decodes one character at the front of `text`: its length in bytes, 0 if there is no valid one.
std::size_t character_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  std::size_t length = 0;
  std::uint32_t value = 0;
  if (byte(0) < 0x80) return 1;
  if (byte(0) >> 5 == 0x06) length = 2, value = byte(0) & 0x1F;
  if (byte(0) >> 4 == 0x0E) length = 3, value = byte(0) & 0x0F;
  if (byte(0) >> 3 == 0x1E) length = 4, value = byte(0) & 0x07;
  if (length == 0 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (byte(i) >> 6 != 0x02) return 0;
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr std::uint32_t kShortestOf[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  return value < kShortestOf[length] || surrogate || value > 0x10FFFF ? 0 : length;
}

Wide unit_of(Precision precision, Wide sent) {
  const Wide size = sent < 0 ? -sent : sent;
  switch (precision) {
    case Precision::kNanosecond:
      return 1;
    case Precision::kMicrosecond:
      return 1000;
    case Precision::kMillisecond:
      return kMillion;
    case Precision::kSecond:
      return kBillion;
    case Precision::kMinute:
      return kBillion * 60;
    case Precision::kHour:
      return kBillion * 3600;
    case Precision::kAuto:
      break;
  }
  if (size < kBillion * 5) return kBillion;
  if (size < kBillion * 5000) return kMillion;
  if (size < kBillion * 5000000) return 1000;
  return 1;
}

class Reader {
 public:
  Reader(std::string_view input, Precision precision) : input_(input), precision_(precision) {}

  std::vector<Outcome> read_input() {
    while (!at_end())
      read_line();
    return std::move(outcomes_);
  }

 private:
  void read_line() {
    line_ = i_;
    skip_spaces();
    const std::size_t start = i_;
    if (at_line_end()) return take_line_end();
    if (peek() == '#') {
      while (!at_end() && peek() != '\n')
        ++i_;
      return take_line_end();
    }
    Outcome outcome;
    std::size_t line_end = 0;
    try {
      outcome.point = read_point();
      line_end = i_;
      take_line_end();
    } catch (const Refusal& refusal) {
      outcome.code = refusal.code;
      outcome.position = refusal.index - line_;
      line_end = i_ = end_of_refused_line(start, refusal.index);
      if (input_[line_end - 1] == '\r') --line_end;
      if (!at_end()) ++i_;
    }
    outcome.line = input_.substr(line_, line_end - line_);
    outcome.line_number = 1;
    for (const char byte : input_.substr(0, line_))
      outcome.line_number += byte == '\n' ? 1 : 0;
    outcomes_.push_back(std::move(outcome));
  }

  OwnedPoint read_point() {
    OwnedPoint point;
    point.measurement = read_name(", ");
    if (point.measurement.empty()) refuse(ErrorCode::kMissingMeasurement);
    std::vector<std::size_t> starts;
    while (looking_at(',')) {
      ++i_;
      starts.push_back(i_);
      point.tags.push_back(read_tag());
    }
    for (std::size_t i = 0; i < point.tags.size(); ++i) {
      for (std::size_t k = 0; k < i; ++k) {
        if (point.tags[k].key == point.tags[i].key) refuse(ErrorCode::kDuplicateTag, starts[i]);
      }
    }
    skip_spaces();
    if (at_line_end()) refuse(ErrorCode::kMissingFields);
    for (;;) {
      add_field(point.fields, read_field());
      if (!looking_at(',')) break;
      ++i_;
    }
    skip_spaces();
    if (!at_line_end()) point.timestamp = read_timestamp();
    return point;
  }

  OwnedTag read_tag() {
    OwnedTag tag;
    tag.key = read_name(",= ");
    if (tag.key.empty()) refuse(ErrorCode::kMissingTagKey);
    if (looking_at(',')) refuse(ErrorCode::kUnescapedComma);
    if (!looking_at('=')) refuse(ErrorCode::kMissingTagValue);
    ++i_;
    tag.value = read_name(",= ");
    if (looking_at('=')) refuse(ErrorCode::kUnescapedEquals);
    if (tag.value.empty()) refuse(ErrorCode::kMissingTagValue);
    return tag;
  }

  OwnedField read_field() {
    OwnedField field;
    field.key = read_name(",= ");
    if (field.key.empty()) refuse(ErrorCode::kMissingFieldKey);
    if (looking_at(',')) refuse(ErrorCode::kUnescapedComma);
    if (!looking_at('=')) refuse(ErrorCode::kMissingFieldValue);
    ++i_;
    if (looking_at('"')) {
      read_string(field);
    } else {
      read_bare_value(field);
    }
    return field;
  }

  static void add_field(std::vector<OwnedField>& fields, OwnedField field) {
    for (OwnedField& earlier : fields) {
      if (earlier.key == field.key) {
        earlier = std::move(field);
        return;
      }
    }
    fields.push_back(std::move(field));
  }

  // Up to one of `stops` that no backslash stands before.
  std::string read_name(std::string_view stops) {
    const std::size_t start = i_;
    std::string name;
    while (!at_end() && !is_one_of(peek(), stops) && !is_control(peek())) {
      const bool escapes =
          peek() == '\\' && i_ + 1 < input_.size() && is_one_of(input_[i_ + 1], stops);
      if (escapes) ++i_;
      name += peek();
      ++i_;
    }
    refuse_stray_control();
    check_encoding(start, i_);
    return name;
  }

  void read_string(OwnedField& field) {
    const std::size_t quote = i_++;
    field.type = ValueType::kString;
    for (;;) {
      if (at_end()) refuse(ErrorCode::kUnterminatedString, quote);
      if (peek() == '\0') refuse(ErrorCode::kNulInString);
      if (peek() == '"') break;
      const bool escapes =
          peek() == '\\' && i_ + 1 < input_.size() && is_one_of(input_[i_ + 1], "\"\\");
      if (escapes) ++i_;
      field.text += peek();
      ++i_;
    }
    check_encoding(quote + 1, i_);
    ++i_;
    if (at_line_end() || looking_at(',') || looking_at(' ')) return;
    refuse_stray_control();
    refuse(ErrorCode::kTrailingCharacters);
  }

  void read_bare_value(OwnedField& field) {
    const std::size_t start = i_;
    while (!at_end() && !is_one_of(peek(), ", ") && !is_control(peek()))
      ++i_;
    refuse_stray_control();
    const std::string text(input_.substr(start, i_ - start));
    if (text.empty()) refuse(ErrorCode::kMissingFieldValue);
    field.text = text;
    if (is_one_of(text[0], "tTfF")) {
      const bool yes =
          text == "t" || text == "T" || text == "true" || text == "True" || text == "TRUE";
      const bool no =
          text == "f" || text == "F" || text == "false" || text == "False" || text == "FALSE";
      if (!yes && !no) refuse(ErrorCode::kInvalidBoolean, start);
      field.type = ValueType::kBoolean;
      field.bits = yes ? 1 : 0;
    } else if (is_one_of(text[0], "+-.0123456789")) {
      read_number(field, start);
    } else {
      refuse(ErrorCode::kInvalidFieldValue, start);
    }
  }

  static void read_number(OwnedField& field, std::size_t start) {
    const std::string shorter = field.text.substr(0, field.text.size() - 1);
    const char suffix = field.text.back();
    if (is_float(field.text)) {
      const double value = std::strtod(field.text.c_str(), nullptr);
      if (std::isinf(value)) refuse(ErrorCode::kFloatOutOfRange, start);
      field.type = ValueType::kFloat;
      field.bits = std::bit_cast<std::uint64_t>(value);
    } else if (suffix == 'i' && is_integer(shorter)) {
      const Wide value = integer_value(shorter);
      if (value < kMinInteger || value > kMaxInteger) refuse(ErrorCode::kIntegerOutOfRange, start);
      field.type = ValueType::kInteger;
      field.bits = static_cast<std::uint64_t>(value);
      field.text = shorter;
    } else if (suffix == 'u' && shorter[0] != '-' && is_integer(shorter)) {
      const Wide value = integer_value(shorter);
      if (value > kMaxUnsigned) refuse(ErrorCode::kUnsignedOutOfRange, start);
      field.type = ValueType::kUnsigned;
      field.bits = static_cast<std::uint64_t>(value);
      field.text = shorter;
    } else {
      refuse(ErrorCode::kInvalidNumber, start);
    }
  }

  std::int64_t read_timestamp() {
    const std::size_t start = i_;
    while (!at_end() && peek() != ' ' && !is_control(peek()))
      ++i_;
    refuse_stray_control();
    const std::string_view text = input_.substr(start, i_ - start);
    if (!is_integer(text)) refuse(ErrorCode::kInvalidTimestamp, start);
    const Wide sent = integer_value(text);
    if (sent < kMinInteger || sent > kMaxInteger) refuse(ErrorCode::kTimestampOutOfRange, start);
    const Wide value = sent * unit_of(precision_, sent);
    if (value < kMinInteger || value > kMaxInteger) refuse(ErrorCode::kTimestampOutOfRange, start);
    skip_spaces();
    refuse_stray_control();
    if (!at_line_end()) refuse(ErrorCode::kTrailingCharacters);
    return static_cast<std::int64_t>(value);
  }

  // Protocol: errors and recovery.
  std::size_t end_of_refused_line(std::size_t start, std::size_t noticed_at) const {
    bool quote_open = false;
    bool space_seen = false;
    long more_equals = 0;  // equals signs less commas
    std::size_t i = start;
    while (i < input_.size()) {
      const char byte = input_[i];
      const bool line_feed_next = i + 1 < input_.size() && input_[i + 1] == '\n';
      if (byte == '\\') {
        i += !quote_open && line_feed_next ? 1 : 2;
        continue;
      }
      if (byte == '\n' && !quote_open && i >= noticed_at) return i;
      if (byte == ' ' && !quote_open) space_seen = true;
      if (byte == '=' && !quote_open && space_seen) ++more_equals;
      if (byte == ',' && !quote_open && space_seen) --more_equals;
      if (byte == '"' && space_seen) quote_open = !quote_open && more_equals > 0;
      ++i;
    }
    return input_.size();
  }

  bool at_end() const { return i_ == input_.size(); }
  char peek() const { return input_[i_]; }
  bool looking_at(char byte) const { return !at_end() && peek() == byte; }

  bool at_line_end() const {
    const std::string_view rest = input_.substr(i_);
    return rest.empty() || rest == "\r" || rest.starts_with("\n") || rest.starts_with("\r\n");
  }

  void take_line_end() {
    if (looking_at('\r')) ++i_;
    if (looking_at('\n')) ++i_;
  }

  void skip_spaces() {
    while (looking_at(' '))
      ++i_;
  }

  void refuse_stray_control() const {
    if (!at_line_end() && is_control(peek())) refuse(ErrorCode::kControlCharacter);
  }

  void check_encoding(std::size_t start, std::size_t end) const {
    while (start < end) {
      const std::size_t length = character_length(input_.substr(start, end - start));
      if (length == 0) refuse(ErrorCode::kInvalidUtf8, start);
      start += length;
    }
  }

  [[noreturn]] void refuse(ErrorCode code) const { throw Refusal{code, i_}; }
  [[noreturn]] static void refuse(ErrorCode code, std::size_t index) { throw Refusal{code, index}; }

  std::string_view input_;
  Precision precision_;
  std::size_t i_ = 0;
  std::size_t line_ = 0;  // where the line starts
  std::vector<Outcome> outcomes_;
};

}  // namespace

std::vector<Outcome> parse_slowly(std::string_view input, Precision precision) {
  return Reader(input, precision).read_input();
}

}  // namespace influx::line_protocol::reference
