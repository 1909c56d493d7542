// The part of the parser that reads fields.

#include <algorithm>
#include <type_traits>

#include "influx/line_protocol/bare_value.h"
#include "influx/line_protocol/parser.h"
#include "influx/line_protocol/short_number.h"
#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {

static_assert(std::is_trivially_copyable_v<FieldValue>);

bool Parser::read_fields() {
  at_ = skip_spaces(at_, end_);
  if (at_line_end()) return fail_here(ErrorCode::kMissingFields);
  more_fields_ = true;
  raw_keys_.clear();
  const FieldKeys* const expected = expected_field_keys();
  if (expected != nullptr) {
    if (!read_expected_fields(*expected)) return false;
    if (!more_fields_ && field_count_ == expected->keys().size()) {
      known_field_keys_.touch(*expected);
      point_has(*expected);
      return true;
    }
    for (std::size_t i = 0; i < field_count_; ++i)
      raw_keys_.push_back(expected->keys()[i].raw);
  }
  // What is left of the fields is read without expecting anything.
  while (more_fields_) {
    poll_where_due();
    if (!read_field()) return false;
  }
  learn_field_keys(expected);
  return true;
}

// Reads fields as long as they have the expected keys. Such a key needs no scan and no check: both
// gave the same for the same bytes before.
bool Parser::read_expected_fields(const FieldKeys& expected) {
  make_room_for_fields(expected.keys().size());
  Field* field = fields_.data();
  const char* at = at_;  // a copy that can stay in a register
  const char* const end = end_;
  for (const FieldKeys::Key& key : expected.keys()) {
    if (!has_prefix(at, end, key.raw.data(), key.raw.size())) break;
    const char* const value = at + key.raw.size();
    at = read_short_number(value, end, field->value);
    if (at == nullptr) {
      at_ = value;
      if (!read_other_value(field->value)) return false;
      at = at_;
    }
    field->key = key.name;
    ++field;
    more_fields_ = at != end && *at == ',';
    if (!more_fields_) break;
    ++at;
  }
  at_ = at;
  field_count_ = static_cast<std::size_t>(field - fields_.data());
  return true;
}

bool Parser::read_field() {
  make_room_for_fields(field_count_ + 1);
  Field& field = fields_[field_count_];
  const char* const start = at_;
  if (!read_name<kKeyStops>(field.key)) return false;
  if (field.key.empty()) return fail_here(ErrorCode::kMissingFieldKey);
  if (at_ == end_ || *at_ != '=') return fail_behind_key(ErrorCode::kMissingFieldValue);
  ++at_;
  raw_keys_.push_back(between(start, at_));
  if (!read_value(field.value)) return false;
  ++field_count_;
  more_fields_ = at_ != end_ && *at_ == ',';
  if (more_fields_) ++at_;
  return true;
}

inline void Parser::make_room_for_fields(std::size_t count) {
  if (count > fields_.size()) fields_.resize(std::max(count, 2 * fields_.size()));
}

// What the fields to come most likely are. Where a series had two kinds of lines, the first key
// decides.
inline const FieldKeys* Parser::expected_field_keys() const noexcept {
  const auto begins = [this](const FieldKeys* keys) {
    const std::string_view raw = keys->keys().front().raw;
    return has_prefix(at_, end_, raw.data(), raw.size());
  };
  const FieldKeys* expected = nullptr;
  if (series_ != nullptr) {
    expected = known_field_keys_.at(series_->field_keys());
    const FieldKeys* const other = known_field_keys_.at(series_->other_field_keys());
    if (other != nullptr && (expected == nullptr || !begins(expected)) && begins(other)) {
      return other;
    }
  }
  return expected != nullptr ? expected : known_field_keys_.expected_for(point_.measurement);
}

inline void Parser::point_has(const FieldKeys& keys) noexcept {
  point_.field_keys = keys.remembered();
  if (series_ != nullptr) series_->had_field_keys(point_.field_keys.slot);
}

// Looks whether the keys in raw_keys_ are known, and drops duplicates or remembers them if not.
// Names in the memory of `expected` may be in use.
void Parser::learn_field_keys(const FieldKeys* expected) {
  point_.field_keys = {};
  const FieldKeys* keys = known_field_keys_.find(raw_keys_);
  if (keys == nullptr) {
    if (keys_.has_duplicates<Field>(fields(), poll_)) return drop_overwritten_fields();
    keys = known_field_keys_.insert(raw_keys_, fields(), expected);
    if (keys == nullptr) return;
  }
  point_has(*keys);
  known_field_keys_.expect_for(point_.measurement, *keys);
}

inline bool Parser::read_value(FieldValue& value) {
  if (const char* const end = read_short_number(at_, end_, value)) {
    at_ = end;
    return true;
  }
  return read_other_value(value);
}

// What read_short_number() leaves.
bool Parser::read_other_value(FieldValue& value) {
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the null of "not short" is not at_
  return at_ != end_ && *at_ == '"' ? read_string(value) : read_bare(value);
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

bool Parser::read_bare(FieldValue& value) {
  const char* const start = at_;
  at_ = scan_bare_value(at_, end_);
  if (!check_end_of_token()) return false;
  if (at_ == start) return fail_here(ErrorCode::kMissingFieldValue);
  const ErrorCode code = read_bare_value(between(start, at_), value);
  return code == ErrorCode::kNone || fail(code, start);
}

// The last value counts (protocol: values); it takes the place of the first.
void Parser::drop_overwritten_fields() {
  const std::vector<std::size_t>& first = keys_.first_occurrences();
  for (std::size_t i = 0; i < field_count_; ++i)
    fields_[first[i]].value = fields_[i].value;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < field_count_; ++i) {
    if (first[i] == i) fields_[kept++] = fields_[i];
  }
  field_count_ = kept;
}

}  // namespace influx::line_protocol
