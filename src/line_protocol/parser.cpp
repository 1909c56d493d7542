#include "influx/line_protocol/parser.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "influx/line_protocol/framing.h"
#include "influx/line_protocol/number.h"
#include "influx/line_protocol/short_number.h"
#include "influx/line_protocol/utf8.h"

namespace influx::line_protocol {

namespace {

const char* find_line_feed(const char* at, const char* end) noexcept {
  if (at == end) return end;  // memchr takes no null pointer, and an empty input may be one
  const void* found = std::memchr(at, '\n', static_cast<std::size_t>(end - at));
  return found == nullptr ? end : static_cast<const char*>(found);
}

}  // namespace

void Parser::reset(std::string_view input) {
  next_line_ = input.data();
  end_ = input.data() + input.size();
  next_line_number_ = 1;
  line_number_ = 0;
  polled_at_ = next_line_;
  line_ = {};
  point_ = {};
  error_ = {};
}

std::string_view Parser::rest() const noexcept {
  return between(next_line_, end_);
}

Parser::Result Parser::next() {
  while (next_line_ != end_) {
    line_start_ = next_line_;
    line_number_ = next_line_number_;
    at_ = skip_spaces(line_start_, end_);
    poll_where_due();
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
  field_count_ = 0;
  unescaped_.clear();
  if (!read_series() || !read_fields() || !read_timestamp()) return false;
  point_.fields = fields();
  return true;
}

void Parser::end_point() noexcept {
  line_ = between(line_start_, at_);
  next_line_ = behind_line_end(at_, end_);
  next_line_number_ = line_number_ + 1 + line_feeds_;
}

void Parser::end_refused_line() {
  const char* const start = skip_spaces(line_start_, end_);
  const char* const noticed_at = line_start_ + error_.position;
  const std::size_t size = find_end_of_refused_line(
      between(start, end_), static_cast<std::size_t>(noticed_at - start), poll_);
  const char* line_end = start + size;
  next_line_ = behind_line_end(line_end, end_);
  next_line_number_ =
      line_number_ + 1 + static_cast<std::size_t>(std::count(start, line_end, '\n'));
  if (line_end[-1] == '\r') --line_end;  // a refused line is not empty: something was wrong with it
  line_ = between(line_start_, line_end);
}

bool Parser::read_series() {
  const char* const start = at_;
  series_ = known_series_.find(start, end_);
  if (series_ != nullptr) {
    point_.measurement = series_->measurement();
    point_.tags = series_->tags();
    point_.series = series_->remembered();
    at_ = start + series_->raw_size();
    return true;
  }
  tags_.clear();
  if (!read_measurement() || !read_tags()) return false;
  point_.tags = tags_;
  if (at_ != end_ && *at_ == ' ') {
    series_ = known_series_.insert(between(start, at_), point_.measurement, tags_);
  }
  point_.series = series_ != nullptr ? series_->remembered() : Remembered{};
  return true;
}

bool Parser::read_measurement() {
  if (*at_ == ',') return fail_here(ErrorCode::kMissingMeasurement);
  point_.measurement = {};
  return read_name<kMeasurementStops>(point_.measurement);
}

bool Parser::read_tags() {
  const char* const start = at_;
  while (at_ != end_ && *at_ == ',') {
    ++at_;
    poll_where_due();
    if (!read_tag()) return false;
  }
  return !keys_.has_duplicates<Tag>(tags_, poll_) || fail_for_duplicate_tag(start);
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

bool Parser::read_timestamp() {
  point_.timestamp.reset();
  at_ = skip_spaces(at_, end_);
  if (at_line_end()) return true;

  const DigitRun digits = read_digits(at_, end_);
  const std::ptrdiff_t size = digits.end - at_;
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  if (size == 0 || size > DigitRun::kMostDigits || digits.value > kMax ||
      !is_line_end(digits.end, end_)) {
    return read_odd_timestamp();
  }
  const auto sent = static_cast<std::int64_t>(digits.value);
  if (precision_ == Precision::kNanosecond) {
    point_.timestamp = sent;
  } else {
    point_.timestamp = scale_to_nanoseconds(sent, precision_);
    if (!point_.timestamp) return fail_here(ErrorCode::kTimestampOutOfRange);
  }
  at_ = digits.end;
  return true;
}

// Any timestamp: a negative one, one with spaces behind it, and all that is wrong.
bool Parser::read_odd_timestamp() {
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
template bool Parser::read_name<kKeyStops>(std::string_view& name);

// A control byte ends every token, but only as a part of a line end may it be there.
bool Parser::check_end_of_token() noexcept {
  if (at_ == end_ || (class_of(*at_) & kControl) == 0 || at_line_end()) return true;
  return fail_here(ErrorCode::kControlCharacter);
}

bool Parser::take(const char* start, const Token& token, unsigned escapable,
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
