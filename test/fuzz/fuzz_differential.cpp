// The parser and the reference must agree in everything: points, refused lines, codes, positions.

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "reference/outcome.h"
#include "reference/reference_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::line_protocol;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  // No byte of the input is spent on the precision, so that one corpus serves all targets.
  const auto precision = static_cast<Precision>(size % 7);
  const auto expected = reference::parse_slowly(input, precision);
  const auto actual = reference::parse_all(input, precision);
  if (actual != expected) {
    const std::string text = "parser:\n" + reference::to_string(actual) + "reference:\n" +
                             reference::to_string(expected);
    std::fwrite(text.data(), 1, text.size(), stderr);
  }
  influx::fuzz::check(actual == expected, "the parsers agree");
  return 0;
}
