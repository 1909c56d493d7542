#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "influx/line_protocol/error.h"
#include "influx/line_protocol/key_set.h"
#include "influx/line_protocol/point.h"
#include "influx/line_protocol/precision.h"
#include "influx/line_protocol/scan.h"
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
/// that the line ends. The work is linear in the length of the input, whatever it holds. Memory is
/// kept from input to input; a parser that has seen inputs of a size allocates nothing for the next
/// one.
///
/// A parser may be used by one thread at a time. reset() and next() may throw std::bad_alloc, and
/// nothing else does.
class Parser {
 public:
  enum class Result : std::uint8_t { kPoint, kError, kEnd };

  explicit Parser(Precision precision) noexcept : precision_(precision) {}
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  /// Starts over at the beginning of `input`.
  void reset(std::string_view input);

  /// Reads up to the next point or refused line; comments and blank lines are skipped.
  Result next();

  /// The point that next() found. REQUIRES: next() returned kPoint.
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
  bool read_measurement();
  bool read_tags();
  bool read_tag();
  bool read_fields();
  bool read_field();
  bool read_string(FieldValue& value);
  bool read_bare_value(FieldValue& value);
  bool read_timestamp();
  template <unsigned Stops>
  bool read_name(std::string_view& name);

  bool at_line_end() const noexcept { return is_line_end(at_, end_); }
  bool check_end_of_token() noexcept;
  bool take(const char* start, const Token& token, unsigned escapable, std::string_view& text);
  void drop_overwritten_fields();
  void end_point() noexcept;
  void end_refused_line() noexcept;

  bool fail(ErrorCode code, const char* at) noexcept;
  bool fail_here(ErrorCode code) noexcept;
  bool fail_behind_key(ErrorCode missing_value) noexcept;
  bool fail_behind_value() noexcept;
  bool fail_for_duplicate_tag(const char* tags);

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

  std::vector<Tag> tags_;
  std::vector<Field> fields_;
  KeySet keys_;
  UnescapeBuffer unescaped_;
};

}  // namespace influx::line_protocol
