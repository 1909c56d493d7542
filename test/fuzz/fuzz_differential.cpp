// The parser and the reference must agree in everything: points, refused lines, codes, positions.
// What a parser has learned changes nothing: the reference is held against a new parser, and
// against one that has read every input so far, twice, so that it knows this one the second time.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "reference/outcome.h"
#include "reference/reference_parser.h"
#include "reference/remembered.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

void check_same(const std::vector<reference::Outcome>& actual,
                const std::vector<reference::Outcome>& expected, const char* which) {
  if (actual == expected) return;
  const std::string text = std::string(which) + ":\n" + reference::to_string(actual) +
                           "reference:\n" + reference::to_string(expected);
  std::fwrite(text.data(), 1, text.size(), stderr);
  check(false, "the parsers agree");
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // No byte of the input is spent on the precision, so that one corpus serves all targets.
  const auto precision = static_cast<Precision>(size % 7);
  const auto expected = reference::parse_slowly(input, precision);

  Parser fresh(precision);
  check_same(reference::parse_all(fresh, input), expected, "new parser");
  check_same(reference::parse_all(fresh, input), expected, "new parser, again");

  static Parser warm(Precision::kNanosecond);
  static reference::RememberedCheck remembered;
  if (precision == Precision::kNanosecond) {
    check_same(reference::parse_all(warm, input), expected, "warm parser");
    check_same(reference::parse_all(warm, input), expected, "warm parser, again");
  }
  const std::string complaint = remembered.read(warm, input);
  check(complaint.empty(), complaint.c_str());
  return 0;
}
