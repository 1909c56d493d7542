#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "influx/line_protocol/error.h"
#include "influx/line_protocol/field_keys.h"
#include "influx/line_protocol/key_set.h"
#include "influx/line_protocol/point.h"
#include "influx/line_protocol/precision.h"
#include "influx/line_protocol/scan.h"
#include "influx/line_protocol/series_cache.h"
#include "influx/line_protocol/unescape.h"

namespace influx::line_protocol {

/// Reads line protocol a point at a time.
///
///     Parser parser(Precision::kNanosecond);
///     parser.reset(datagram);
///     for (;;) switch (parser.next()) {
///       case Parser::Result::kPoint: use(parser.point()); break;
///       case Parser::Result::kError: report(parser.error(), parser.line()); break;
///       case Parser::Result::kEnd: return;
///     }
///
/// The input is never modified, never read past its end, and must outlive the use of the points.
/// A refused line costs that line: the next call goes on behind it, where docs/protocol.md says
/// that the line ends. The work is linear in the length of the input, whatever it holds.
///
/// Memory is kept from input to input, and so is what the parser has learned of the series and the
/// field keys that come: lines of known ones are read much faster. Neither changes a result. What
/// is learned is bounded, by 12 MB in all, and grows with what comes, so that a parser for one line
/// is cheap. A parser allocates nothing for an input that is not larger than those before and has
/// no series or keys that are new.
///
/// A parser may be used by one thread at a time. reset() and next() may throw std::bad_alloc, and
/// next() what the function of poll_by() throws; nothing else does.
class Parser {
 public:
  enum class Result : std::uint8_t { kPoint, kError, kEnd };

  /// The slots of Point::series and Point::field_keys are below these.
  static constexpr std::uint32_t kSeriesSlots = SeriesCache::kSlots;
  static constexpr std::uint32_t kFieldKeysSlots = FieldKeysCache::kSlots;

  /// What comes from strangers is parsed with a `hash_seed` that they do not know, as
  /// process_hash_seed(): else they could choose lines that take each other's place in what is
  /// learned. It changes no result.
  explicit Parser(Precision precision, std::uint64_t hash_seed = 0) noexcept
      : precision_(precision), known_series_(hash_seed), known_field_keys_(hash_seed) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// From now on next() calls `call` now and then, after some 256 kB: an input may be so large that
  /// whoever waits for its end must be able to interrupt it. It may throw; reset() is to follow.
  void poll_by(void (*call)()) noexcept { poll_ = call; }

  /// Starts over at the beginning of `input`.
  void reset(std::string_view input);

  /// Reads up to the next point or refused line; comments and blank lines are skipped.
  Result next();

  /// The input from the line on that next() would read, and the number of that line. Where next()
  /// has thrown, it is the line at which it did.
  std::string_view rest() const noexcept;
  std::size_t next_line_number() const noexcept { return next_line_number_; }

  /// The point that next() found. REQUIRES: next() returned kPoint; or it returned kError, then the
  /// measurement alone means something, and is empty where it was not read.
  const Point& point() const noexcept { return point_; }

  /// What was wrong. REQUIRES: next() returned kError.
  const ParseError& error() const noexcept { return error_; }

  /// The bytes of the line that next() read, without its line end; a view into the input.
  /// REQUIRES: next() returned kPoint or kError.
  std::string_view line() const noexcept { return line_; }

  /// The number in the input of the line that next() read, from 1, as in ParseError.
  std::size_t line_number() const noexcept { return line_number_; }

 private:
  // The parts of a line, in the order in which they come. Each starts at at_ and leaves at_ behind
  // what it read; or it calls a fail function, all of which return false, and returns that.
  bool read_point();
  bool read_series();
  bool read_measurement();
  bool read_tags();
  bool read_tag();
  bool read_fields();
  bool read_expected_fields(const FieldKeys& expected);
  bool read_field();
  bool read_value(FieldValue& value);
  bool read_other_value(FieldValue& value);
  bool read_string(FieldValue& value);
  bool read_bare(FieldValue& value);
  bool read_timestamp();
  bool read_odd_timestamp();
  template <unsigned Stops>
  bool read_name(std::string_view& name);

  void poll_where_due() {
    if (poll_ == nullptr || at_ - polled_at_ < kPollBytes) return;
    polled_at_ = at_;
    poll_();
  }

  bool at_line_end() const noexcept { return is_line_end(at_, end_); }
  bool check_end_of_token() noexcept;
  bool take(const char* start, const Token& token, unsigned escapable, std::string_view& text);
  const FieldKeys* expected_field_keys() const noexcept;
  void learn_field_keys(const FieldKeys* expected);
  void point_has(const FieldKeys& keys) noexcept;
  void make_room_for_fields(std::size_t count);
  std::span<Field> fields() noexcept { return {fields_.data(), field_count_}; }
  void drop_overwritten_fields();
  void end_point() noexcept;
  void end_refused_line();

  bool fail(ErrorCode code, const char* at) noexcept;
  bool fail_here(ErrorCode code) noexcept;
  bool fail_behind_key(ErrorCode missing_value) noexcept;
  bool fail_behind_value() noexcept;
  bool fail_for_duplicate_tag(const char* tags);

  /// Read between two calls of the function of poll_by().
  static constexpr std::ptrdiff_t kPollBytes = std::ptrdiff_t{256} * 1024;

  Precision precision_;
  Point point_;
  ParseError error_;
  std::string_view line_;
  std::size_t line_number_ = 0;

  const char* next_line_ = nullptr;   // where next() goes on
  std::size_t next_line_number_ = 1;  // the number of the line there
  const char* line_start_ = nullptr;
  const char* at_ = nullptr;    // the next byte to read
  const char* end_ = nullptr;   // of the input
  std::size_t line_feeds_ = 0;  // in the strings of the line so far

  void (*poll_)() = nullptr;
  const char* polled_at_ = nullptr;  // where it was called last

  Series* series_ = nullptr;  // of the line, where it is known
  SeriesCache known_series_;
  FieldKeysCache known_field_keys_;

  std::vector<Tag> tags_;
  std::vector<Field> fields_;  // room for them; a line has those below field_count_
  std::size_t field_count_ = 0;
  bool more_fields_ = false;                // a comma was behind the last one
  std::vector<std::string_view> raw_keys_;  // of the fields, as sent, while they are learned
  KeySet keys_;
  UnescapeBuffer unescaped_;
};

}  // namespace influx::line_protocol
