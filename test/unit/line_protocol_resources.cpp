#include "line_protocol_allocation_count.h"
#include "line_protocol_testing.h"

// Memory and work: what the parser may read, when it may allocate, and that its cost is linear.

namespace influx::line_protocol::testing {
namespace {

// Lines of all kinds, good and bad.
const char* const kMixture =
    "cpu,host=a,region=eu usage=1.5,cores=8i,up=t,name=\"a b\",big=18446744073709551615u "
    "1700000000\n"
    "we\\ ather,lo\\,c=us\\ mid\\=west te\\ mp=82,note=\"a \\\"b\\\" \\\\ c\nd\" 7\r\n"
    "# comment\n"
    "\n"
    "bad,t= v=1\n"
    "m v=NaN,s=\"x\ny v=1\n\"\n"
    "m,a=1,b=2,a=3 v=1\n"
    "m a=1,b=2,a=3\n"
    "m v=\"\xC3\xA9\xE2\x82\xAC\" -1\n";

std::string repeated(std::string_view piece, std::size_t size) {
  std::string text;
  text.reserve(size + piece.size());
  while (text.size() < size)
    text += piece;
  return text;
}

struct Counts {
  std::size_t points = 0;
  std::size_t errors = 0;
};

Counts count(Parser& parser, std::string_view input) {
  Counts counts;
  parser.reset(input);
  for (;;) {
    switch (parser.next()) {
      case Parser::Result::kPoint:
        ++counts.points;
        break;
      case Parser::Result::kError:
        ++counts.errors;
        break;
      case Parser::Result::kEnd:
        return counts;
    }
  }
}

TEST(Resources, NothingIsAllocatedInTheSteadyState) {
  const std::string input = repeated(kMixture, 20'000);
  Parser parser(Precision::kNanosecond);
  const Counts first = count(parser, input);
  EXPECT_GT(first.points, 100U);
  EXPECT_GT(first.errors, 100U);
  const std::size_t before = allocation_count();
  for (int i = 0; i < 10; ++i)
    count(parser, input);
  EXPECT_EQ(allocation_count(), before);
}

TEST(Resources, AllocationsDoNotGrowWithTheNumberOfLines) {
  const auto allocations_for = [](std::size_t size) {
    const std::string input = repeated(kMixture, size);
    Parser parser(Precision::kNanosecond);
    const std::size_t before = allocation_count();
    count(parser, input);
    return allocation_count() - before;
  };
  EXPECT_EQ(allocations_for(2'000), allocations_for(200'000));
}

TEST(Resources, AParserOnItsOwnAllocatesNothing) {
  const std::size_t before = allocation_count();
  Parser parser(Precision::kSecond);
  parser.reset("\n# comment\n");
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
  EXPECT_EQ(allocation_count(), before);
}

// Every prefix of the mixture, in memory that ends where the prefix does: a sanitizer sees any read
// past the end. Cutting a line anywhere must never yield more points than it had.
TEST(Resources, NothingIsReadPastTheEnd) {
  const std::string_view mixture = kMixture;
  Parser parser(Precision::kNanosecond);
  for (std::size_t size = 0; size <= mixture.size(); ++size) {
    parse_all(parser, mixture.substr(0, size));
    parse_all(parser, mixture.substr(size));
  }
}

TEST(Resources, ParsingTwiceGivesTheSame) {
  const std::string input = repeated(kMixture, 5'000);
  Parser parser(Precision::kNanosecond);
  const std::vector<Outcome> first = parse_all(parser, input);
  parse_all(parser, repeated("x\\ y,t=\\= \"\\\"\"=\"\\\\\"\n", 9'000));
  EXPECT_EQ(to_string(parse_all(parser, input)), to_string(first));
}

TEST(Resources, ManyLinesInOneInput) {
  std::string input;
  for (int i = 0; i < 50'000; ++i)
    input += "m,t=" + std::to_string(i) + " v=" + std::to_string(i) + "i\n";
  Parser parser(Precision::kNanosecond);
  parser.reset(input);
  std::int64_t expected = 0;
  while (parser.next() == Parser::Result::kPoint) {
    const Point& point = parser.point();
    ASSERT_EQ(point.tags[0].value, std::to_string(expected));
    ASSERT_EQ(point.fields[0].value.as_integer, expected);
    ++expected;
    ASSERT_EQ(parser.line_number(), static_cast<std::size_t>(expected));
  }
  EXPECT_EQ(expected, 50'000);
}

// A megabyte each of what makes careless parsers quadratic: were this one, the test would take
// hours.
TEST(Resources, TheCostIsLinearWhateverTheInput) {
  constexpr std::size_t kSize = 1'000'000;
  Parser parser(Precision::kNanosecond);
  for (const std::string_view piece : {"\\",
                                       "\"",
                                       "=",
                                       ",",
                                       " ",
                                       "\n",
                                       "#",
                                       "\r",
                                       "a",
                                       "\\\\,",
                                       "\\\"",
                                       "=\"",
                                       "m v=\"",
                                       "m v=\"\n",
                                       "m v=1,w=\"\\\n",
                                       "x=\"\\\\\"",
                                       "m,a=b",
                                       ",a=b",
                                       "m a=1,",
                                       "a=\"\",",
                                       "m v\\\\,x=\"a\n",
                                       "m\\ ",
                                       "m v=\"x\"y\"\n",
                                       "\xFF",
                                       "m v=\"\xFF\n",
                                       "#\n",
                                       "# \"\n",
                                       "m 1",
                                       "m v=NaN,s=\"\n\"\n",
                                       "9",
                                       "m v=1 1 ",
                                       "\\ =\"",
                                       "m v\\\\,x=\"\x01\xFF\n"}) {
    const std::string input = repeated(piece, kSize);
    count(parser, input);
    count(parser, "m " + input);
    count(parser, "m v=" + input);
    count(parser, "m v=\"" + input);
    count(parser, "m,a=" + input + " v=1");
  }
}

TEST(Resources, TheCostOfKeysIsNotQuadraticEither) {
  std::string distinct = "m ";
  std::string colliding = "m";
  for (int i = 0; i < 50'000; ++i) {
    std::string number = std::to_string(i);
    number.insert(0, 8 - number.size(), '0');
    distinct += (i == 0 ? "k" : ",k") + number + "=1";
    colliding += ",aaaaaaaaaaaaaaaa" + number + "zzzzzzzzzzzzzzzz=1";
  }
  Parser parser(Precision::kNanosecond);
  EXPECT_EQ(count(parser, distinct).points, 1U);
  EXPECT_EQ(count(parser, colliding + " v=1").points, 1U);
}

TEST(Resources, LongTokens) {
  const std::string name(3'000'000, 'x');
  const std::string input = name + "," + name + "=" + name + " " + name + "=\"" + name +
                            "\",i=" + std::string(100'000, '0') + "7i";
  const OwnedPoint point = point_of(input);
  EXPECT_EQ(point.measurement, name);
  EXPECT_EQ(point.tags[0].value, name);
  EXPECT_EQ(point.fields[0].text, name);
  EXPECT_EQ(point.fields[1].bits, 7U);
}

}  // namespace
}  // namespace influx::line_protocol::testing
