#include "reference/reference_parser.h"

#include <random>

#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

using reference::parse_slowly;

struct Example {
  const char* input;
  const char* meaning;
};

// What the reference makes of a few lines, spelled out: it is a measure only if it is right itself.
constexpr Example kExamples[] = {
    {"", ""},
    {"# c\n\n", ""},
    {"m v=1i", "line 1 \"m v=1i\": \"m\" \"v\"=i1\"1\"\n"},
    {"m v=-1i -5\r\n", "line 1 \"m v=-1i -5\": \"m\" \"v\"=i18446744073709551615\"-1\" @-5\n"},
    {"\nm,a\\ b=c\\,d e\\=f=t,g=\"\\\"h\ni\"",
     "line 2 \"m,a\\\\ b=c\\\\,d e\\\\=f=t,g=\\\"\\\\\\\"h\\x0Ai\\\"\": \"m\" \"a b\":\"c,d\" "
     "\"e=f\"=b1\"t\" \"g\"=s0\"\\\"h\\x0Ai\"\n"},
    {"m v=1.5,v=7u", "line 1 \"m v=1.5,v=7u\": \"m\" \"v\"=u7\"7\"\n"},
    {"m v=.5", "line 1 \"m v=.5\": \"m\" \"v\"=f4602678819172646912\".5\"\n"},
    {"m", "line 1 \"m\": missing fields at 1\n"},
    {"a v=NaN,s=\"\nb v=1\n\"\nc v=1u",
     "line 1 \"a v=NaN,s=\\\"\\x0Ab v=1\\x0A\\\"\": field value is not a string, number or boolean "
     "at 4\n"
     "line 4 \"c v=1u\": \"c\" \"v\"=u1\"1\"\n"},
};

TEST(Reference, Examples) {
  for (const Example& example : kExamples) {
    EXPECT_EQ(to_string(parse_slowly(example.input)), example.meaning);
    EXPECT_EQ(to_string(parse_all(example.input)), example.meaning);
  }
}

// Random texts of the bytes and pieces that the grammar is made of. The fuzzer looks further; this
// keeps the two parsers together in every run of the unit tests.
TEST(Reference, AgreesWithTheParserOnRandomInput) {
  constexpr std::string_view kPieces[] = {
      "m",    "v",    "=",    "=1",       "=1i",     "=t",
      "=\"",  "\"",   "\\",   "\\\\",     "\\\"",    ",",
      " ",    "\n",   "\r\n", "\r",       "#",       "1",
      "-",    ".",    "e9",   "i",        "u",       "9223372036854775807",
      "a=b",  ",a=b", " v=1", " f=\"x\"", "\t",      "\xC3\xA9",
      "\xC3", "NaN",  "true", " 17",      "m v=1\n", "m,t=a v=1u 1\n"};
  std::mt19937 random(20240229);
  Parser parser(Precision::kSecond);
  for (int i = 0; i < 30'000; ++i) {
    std::string input;
    const std::size_t pieces = 1 + random() % 16;
    for (std::size_t k = 0; k < pieces; ++k)
      input += kPieces[random() % std::size(kPieces)];
    if (random() % 8 == 0) input[random() % input.size()] = static_cast<char>(random() % 256);
    const std::vector<Outcome> expected = parse_slowly(input, Precision::kSecond);
    // The second time the parser knows what it can learn of the input.
    for (int time = 0; time < 2; ++time) {
      const std::vector<Outcome> actual = parse_all(parser, input);
      ASSERT_TRUE(actual == expected) << "parser:\n"
                                      << to_string(actual) << "reference:\n"
                                      << to_string(expected);
    }
  }
}

}  // namespace
}  // namespace influx::line_protocol::testing
