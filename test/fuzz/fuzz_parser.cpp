// What must hold of the parser's answers whatever the input is.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <set>
#include <string_view>

#include "fuzz/check.h"
#include "influx/line_protocol/parser.h"
#include "influx/line_protocol/utf8.h"
#include "reference/outcome.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

bool lies_within(std::string_view text, std::string_view whole) {
  const std::less_equal<const char*> not_after;
  return not_after(whole.data(), text.data()) &&
         not_after(text.data() + text.size(), whole.data() + whole.size());
}

void check_text(std::string_view text, std::string_view line) {
  check(valid_utf8_prefix(text) == text.size(), "texts are valid UTF-8");
  check(text.find('\0') == std::string_view::npos, "texts have no NUL");
  // A text that is not a part of the line is one whose escapes are gone. To read it as above is
  // what tells the sanitizer to look whether the memory is the parser's.
  check(lies_within(text, line) || text.size() < line.size(),
        "only unescaped texts leave the line");
}

void check_name(std::string_view name, std::string_view line) {
  check(!name.empty(), "names are not empty");
  const bool printable = std::none_of(name.begin(), name.end(), [](char byte) {
    const auto value = static_cast<unsigned char>(byte);
    return value < 0x20 || value == 0x7F;
  });
  check(printable, "names have no control bytes");
  check_text(name, line);
}

void check_point(const Point& point, std::string_view line) {
  check_name(point.measurement, line);
  std::set<std::string_view> keys;
  for (const Tag& tag : point.tags) {
    check_name(tag.key, line);
    check_name(tag.value, line);
    check(keys.insert(tag.key).second, "tag keys are unique");
  }
  keys.clear();
  check(!point.fields.empty(), "there is a field");
  for (const Field& field : point.fields) {
    check_name(field.key, line);
    check_text(field.value.text, line);
    check(field.value.type == ValueType::kString || !field.value.text.empty(), "literals are kept");
    check(keys.insert(field.key).second, "field keys are unique");
  }
}

void check_all(Parser& parser, std::string_view input) {
  parser.reset(input);
  const char* last_end = input.data();
  std::size_t last_line_number = 0;
  for (;;) {
    const Parser::Result result = parser.next();
    if (result == Parser::Result::kEnd) break;
    const std::string_view line = parser.line();
    check(!line.empty() && lies_within(line, input), "the line is a part of the input");
    check(line.data() >= last_end, "lines follow each other");
    check(line.data() == input.data() || line.data()[-1] == '\n',
          "a line starts behind a line feed");
    const auto line_number = 1 + std::count(input.data(), line.data(), '\n');
    check(parser.line_number() == static_cast<std::size_t>(line_number), "lines are counted");
    check(parser.line_number() > last_line_number, "line numbers grow");
    last_line_number = parser.line_number();
    last_end = line.data() + line.size();
    if (result == Parser::Result::kPoint) {
      check_point(parser.point(), line);
    } else {
      check(parser.error().code != ErrorCode::kNone, "an error has a code");
      check(parser.error().position <= line.size(), "the position is in the line");
      check(parser.error().line_number == parser.line_number(), "the line numbers agree");
    }
  }
  check(parser.next() == Parser::Result::kEnd, "the end stays the end");
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  // Kept from input to input, as a listener keeps it.
  static Parser* const old_parser = new Parser(Precision::kNanosecond);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_all(*old_parser, input);
  const auto first = reference::parse_all(*old_parser, input);
  const auto again = reference::parse_all(*old_parser, input);
  const auto fresh = reference::parse_all(input);
  check(first == again && first == fresh, "the answer does not depend on what came before");
  return 0;
}
