#include "influx/line_protocol/parser.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "influx/line_protocol/framing.h"
#include "influx/line_protocol/number.h"
#include "influx/line_protocol/utf8.h"

namespace influx::line_protocol {

static_assert(std::is_trivially_copyable_v<FieldValue>);

namespace {

std::string_view between(const char* start, const char* end) noexcept {
  return {start, static_cast<std::size_t>(end - start)};
}

const char* find_line_feed(const char* at, const char* end) noexcept {
  if (at == end) return end;  // memchr takes no null pointer, and an empty input may be one
  const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

// The ten spellings of a boolean (protocol: values).
bool is_true(std::string_view token) noexcept {
  return token == "t" || token == "T" || token == "true" || token == "True" || token == "TRUE";
}

bool is_false(std::string_view token) noexcept {
  return token == "f" || token == "F" || token == "false" || token == "False" || token == "FALSE";
}

ErrorCode read_boolean(std::string_view token, FieldValue& value) noexcept {
  value.type = ValueType::kBoolean;
  value.text = token;
  value.as_boolean = is_true(token);
  return value.as_boolean || is_false(token) ? ErrorCode::kNone : ErrorCode::kInvalidBoolean;
}

// Reads what its first byte says that it is, if anything. REQUIRES: a token of one byte or more.
ErrorCode read_bare(std::string_view token, FieldValue& value) noexcept {
  const char first = token[0];
  if ((class_of(first) & kDigit) != 0 || first == '-' || first == '.' || first == '+') {
    return read_number(token, value);
  }
  if (first == 't' || first == 'T' || first == 'f' || first == 'F') {
    return read_boolean(token, value);
  }
  return ErrorCode::kInvalidFieldValue;
}

}  // namespace

void Parser::reset(std::string_view input) {
  next_line_ = input.data();
  end_ = input.data() + input.size();
  next_line_number_ = 1;
  line_number_ = 0;
  line_ = {};
  point_ = {};
  error_ = {};
}

Parser::Result Parser::next() {
  while (next_line_ != end_) {
    line_start_ = next_line_;
    line_number_ = next_line_number_;
    at_ = skip_spaces(line_start_, end_);
    const bool is_comment = at_ != end_ && *at_ == '#';
    if (!is_comment && !at_line_end()) {
      if (read_point()) {
        end_point();
        return Result::kPoint;
      }
      end_refused_line();
      return Result::kError;
    }
    // Of a comment only its line feed is looked at, whatever else it holds (protocol: grammar).
    if (is_comment) at_ = find_line_feed(at_, end_);
    next_line_ = behind_line_end(at_, end_);
    next_line_number_ = line_number_ + 1;
  }
  return Result::kEnd;
}

bool Parser::read_point() {
  line_feeds_ = 0;
  tags_.clear();
  fields_.clear();
  unescaped_.clear();
  if (!read_measurement() || !read_tags() || !read_fields() || !read_timestamp()) return false;
  point_.tags = tags_;
  point_.fields = fields_;
  return true;
}

void Parser::end_point() noexcept {
  line_ = between(line_start_, at_);
  next_line_ = behind_line_end(at_, end_);
  next_line_number_ = line_number_ + 1 + line_feeds_;
}

void Parser::end_refused_line() noexcept {
  const char* const start = skip_spaces(line_start_, end_);
  const char* const noticed_at = line_start_ + error_.position;
  const std::size_t size =
      find_end_of_refused_line(between(start, end_), static_cast<std::size_t>(noticed_at - start));
  const char* line_end = start + size;
  next_line_ = behind_line_end(line_end, end_);
  next_line_number_ =
      line_number_ + 1 + static_cast<std::size_t>(std::count(start, line_end, '\n'));
  if (line_end[-1] == '\r') --line_end;  // a refused line is not empty: something was wrong with it
  line_ = between(line_start_, line_end);
}

bool Parser::read_measurement() {
  if (*at_ == ',') return fail_here(ErrorCode::kMissingMeasurement);
  return read_name<kMeasurementStops>(point_.measurement);
}

bool Parser::read_tags() {
  const char* const start = at_;
  while (at_ != end_ && *at_ == ',') {
    ++at_;
    if (!read_tag()) return false;
  }
  return !keys_.has_duplicates<Tag>(tags_) || fail_for_duplicate_tag(start);
}

bool Parser::read_tag() {
  Tag& tag = tags_.emplace_back();
  if (!read_name<kKeyStops>(tag.key)) return false;
  if (tag.key.empty()) return fail_here(ErrorCode::kMissingTagKey);
  if (at_ == end_ || *at_ != '=') return fail_behind_key(ErrorCode::kMissingTagValue);
  ++at_;
  if (!read_name<kKeyStops>(tag.value)) return false;
  if (at_ != end_ && *at_ == '=') return fail_here(ErrorCode::kUnescapedEquals);
  if (tag.value.empty()) return fail_here(ErrorCode::kMissingTagValue);
  return true;
}

bool Parser::read_fields() {
  at_ = skip_spaces(at_, end_);
  if (at_line_end()) return fail_here(ErrorCode::kMissingFields);
  if (!read_field()) return false;
  while (at_ != end_ && *at_ == ',') {
    ++at_;
    if (!read_field()) return false;
  }
  if (keys_.has_duplicates<Field>(fields_)) drop_overwritten_fields();
  return true;
}

bool Parser::read_field() {
  Field& field = fields_.emplace_back();
  if (!read_name<kKeyStops>(field.key)) return false;
  if (field.key.empty()) return fail_here(ErrorCode::kMissingFieldKey);
  if (at_ == end_ || *at_ != '=') return fail_behind_key(ErrorCode::kMissingFieldValue);
  ++at_;
  const bool is_string = at_ != end_ && *at_ == '"';
  if (!(is_string ? read_string(field.value) : read_bare_value(field.value))) return false;
  return true;
}

bool Parser::read_string(FieldValue& value) {
  const char* const start = at_ + 1;
  const StringToken found = scan_string(start, end_);
  if (found.token.end == end_) return fail_here(ErrorCode::kUnterminatedString);
  if (*found.token.end == '\0') return fail(ErrorCode::kNulInString, found.token.end);
  value.type = ValueType::kString;
  if (!take(start, found.token, kQuote | kBackslash, value.text)) return false;
  line_feeds_ += found.line_feeds;
  at_ = found.token.end + 1;
  if (at_line_end() || *at_ == ',' || *at_ == ' ') return true;
  return fail_behind_value();
}

bool Parser::read_bare_value(FieldValue& value) {
  const char* const start = at_;
  at_ = scan_bare_value(at_, end_);
  if (!check_end_of_token()) return false;
  if (at_ == start) return fail_here(ErrorCode::kMissingFieldValue);
  const std::string_view token = between(start, at_);
  const ErrorCode code = read_bare(token, value);
  return code == ErrorCode::kNone || fail(code, start);
}

bool Parser::read_timestamp() {
  point_.timestamp.reset();
  at_ = skip_spaces(at_, end_);
  if (at_line_end()) return true;

  const char* const start = at_;
  while (at_ != end_ && (class_of(*at_) & (kSpace | kControl)) == 0)
    ++at_;
  if (!check_end_of_token()) return false;
  const std::string_view token = between(start, at_);
  if (!is_decimal_integer(token)) return fail(ErrorCode::kInvalidTimestamp, start);
  std::int64_t sent = 0;
  if (convert_integer(token, sent) != ErrorCode::kNone) {
    return fail(ErrorCode::kTimestampOutOfRange, start);
  }
  point_.timestamp = scale_to_nanoseconds(sent, precision_);
  if (!point_.timestamp) return fail(ErrorCode::kTimestampOutOfRange, start);

  at_ = skip_spaces(at_, end_);
  return at_line_end() || fail_behind_value();
}

template <unsigned Stops>
bool Parser::read_name(std::string_view& name) {
  const char* const start = at_;
  const Token token = scan_name<Stops>(at_, end_);
  at_ = token.end;
  return check_end_of_token() && take(start, token, Stops, name);
}

// A control byte ends every token, but only as a part of a line end may it be there.
inline bool Parser::check_end_of_token() noexcept {
  if (at_ == end_ || (class_of(*at_) & kControl) == 0 || at_line_end()) return true;
  return fail_here(ErrorCode::kControlCharacter);
}

inline bool Parser::take(const char* start, const Token& token, unsigned escapable,
                         std::string_view& text) {
  text = between(start, token.end);
  if (token.high) {
    const std::size_t valid = valid_utf8_prefix(text);
    if (valid != text.size()) return fail(ErrorCode::kInvalidUtf8, start + valid);
  }
  if (token.escaped) {
    unescaped_.reserve(static_cast<std::size_t>(end_ - line_start_));
    text = unescaped_.add(text, escapable);
  }
  return true;
}

// The last value counts (protocol: values); it takes the place of the first.
void Parser::drop_overwritten_fields() {
  const std::vector<std::size_t>& first = keys_.first_occurrences();
  for (std::size_t i = 0; i < fields_.size(); ++i)
    fields_[first[i]].value = fields_[i].value;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < fields_.size(); ++i) {
    if (first[i] == i) fields_[kept++] = fields_[i];
  }
  fields_.resize(kept);
}

bool Parser::fail(ErrorCode code, const char* at) noexcept {
  error_ = {code, line_number_, static_cast<std::size_t>(at - line_start_)};
  return false;
}

bool Parser::fail_here(ErrorCode code) noexcept {
  return fail(code, at_);
}

bool Parser::fail_behind_key(ErrorCode missing_value) noexcept {
  const bool at_comma = at_ != end_ && *at_ == ',';
  return fail_here(at_comma ? ErrorCode::kUnescapedComma : missing_value);
}

bool Parser::fail_behind_value() noexcept {
  const bool is_control = (class_of(*at_) & kControl) != 0;
  return fail_here(is_control ? ErrorCode::kControlCharacter : ErrorCode::kTrailingCharacters);
}

// `tags` is where the tags start, at the comma of the first. The error is at the second key of two.
bool Parser::fail_for_duplicate_tag(const char* tags) {
  const std::vector<std::size_t>& first = keys_.first_occurrences();
  std::size_t index = 0;
  while (first[index] == index)
    ++index;
  const char* at = tags + 1;
  for (std::size_t i = 0; i < 2 * index; ++i)
    at = scan_name<kKeyStops>(at, end_).end + 1;
  return fail(ErrorCode::kDuplicateTag, at);
}

}  // namespace influx::line_protocol
