#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

TEST(Lines, InputsWithoutALine) {
  for (const char* input : {"", "\n", "\r\n", "\r", " ", "   \n  ", "\n\n\r\n\n", "# comment", "#",
                            "#\n", "  # indented\r\n", "#\r\n#\t\x01\xFF\n", " \r"}) {
    EXPECT_EQ(summary_of(input), "") << input;
  }
}

TEST(Lines, TheLastNeedsNoLineFeed) {
  for (const char* input : {"m v=1", "m v=1\n", "m v=1\r\n", "m v=1\r", "m v=1 ", "m v=1 \r"}) {
    const std::vector<Outcome> outcomes = parse_all(input);
    ASSERT_EQ(outcomes.size(), 1U) << input;
    EXPECT_EQ(outcomes[0].code, ErrorCode::kNone);
  }
}

TEST(Lines, CarriageReturnBelongsToTheLineEndEverywhere) {
  for (const char* input : {"m v=1\r\n", "m v=1i\r\n", "m v=t\r\n", "m v=\"a\"\r\n", "m v=1 \r\n",
                            "m v=1 1\r\n", "m v=1 1 \r\n"}) {
    EXPECT_EQ(summary_of(input), "m") << input;
    EXPECT_EQ(summary_of(std::string_view(input).substr(0, std::string_view(input).size() - 1)),
              "m");
  }
  expect_refused("m\r\n", ErrorCode::kMissingFields, 1);
  expect_refused("m,t\r\n", ErrorCode::kMissingTagValue, 3);
  expect_refused("m,t=\r\n", ErrorCode::kMissingTagValue, 4);
  expect_refused("m,t=a\r\n", ErrorCode::kMissingFields, 5);
  expect_refused("m \r\n", ErrorCode::kMissingFields, 2);
  expect_refused("m v\r\n", ErrorCode::kMissingFieldValue, 3);
  expect_refused("m v=\r\n", ErrorCode::kMissingFieldValue, 4);
  expect_refused("m v=1,\r\n", ErrorCode::kMissingFieldKey, 6);
}

TEST(Lines, ALoneCarriageReturnIsAControlCharacter) {
  for (const char* input :
       {"m\rv=1", "m v=1\r1", "m v=1\r\r\n", "\rm v=1", "m v=1 1\r 2", "m v=1\r\r"}) {
    expect_refused(input, ErrorCode::kControlCharacter);
  }
}

TEST(Lines, SpacesWhereTheyMayBe) {
  EXPECT_EQ(summary_of("   m,t=a    v=1,w=2    7    \n m v=1\n"), "m m");
  expect_refused("m ,t=a v=1", ErrorCode::kMissingFieldKey);
  expect_refused("m, t=a v=1", ErrorCode::kMissingTagKey);
  expect_refused("m,t =a v=1", ErrorCode::kMissingTagValue);
  expect_refused("m,t= a v=1", ErrorCode::kMissingTagValue);
  expect_refused("m v =1", ErrorCode::kMissingFieldValue);
  expect_refused("m v= 1", ErrorCode::kMissingFieldValue);
  expect_refused("m v=1 ,w=2", ErrorCode::kInvalidTimestamp);
  expect_refused("m v=1, w=2", ErrorCode::kMissingFieldKey);
}

TEST(Lines, OnlyTheSpaceSeparates) {
  for (const std::string blank : {"\t", "\v", "\f"}) {
    expect_refused(blank + "m v=1", ErrorCode::kControlCharacter, 0);
    expect_refused("m" + blank + "v=1", ErrorCode::kControlCharacter, 1);
    expect_refused("m v=1" + blank + "1", ErrorCode::kControlCharacter, 5);
    expect_refused("m v=1 " + blank, ErrorCode::kControlCharacter, 6);
  }
  EXPECT_EQ(point_of("m\xC2\xA0x v=1").measurement, "m\xC2\xA0x");
}

TEST(Lines, CommentsStartALineAndEndAtTheLineFeed) {
  EXPECT_EQ(summary_of("# a=\"b\nm v=1\n"), "m");
  EXPECT_EQ(summary_of("   # m v=\"\\\nm v=1\n#"), "m");
  EXPECT_EQ(point_of("m# v=1").measurement, "m#");
  EXPECT_EQ(point_of("m,#=#  #=1").tags[0].key, "#");
  expect_refused("m v=1 # x", ErrorCode::kInvalidTimestamp, 6);
}

TEST(Lines, NumbersCountEveryLineFeed) {
  const std::vector<Outcome> outcomes =
      parse_all("\n# c\n  a v=\"x\ny\nz\"\r\n\nb v=1\n   \nbad\nc v=x,w=\"\n\n\"\nd v=1");
  ASSERT_EQ(outcomes.size(), 5U) << to_string(outcomes);
  EXPECT_EQ(outcomes[0].line_number, 3U);
  EXPECT_EQ(outcomes[1].line_number, 7U);
  EXPECT_EQ(outcomes[2].line_number, 9U);
  EXPECT_EQ(outcomes[3].line_number, 10U);
  EXPECT_EQ(outcomes[4].line_number, 13U);
}

TEST(Lines, TheLineIsGivenWithoutItsEnd) {
  const std::vector<Outcome> outcomes = parse_all("  a v=1 1 \r\nbad \r\nb v=1\nbad\r\n bad\r");
  ASSERT_EQ(outcomes.size(), 5U);
  EXPECT_EQ(outcomes[0].line, "  a v=1 1 ");
  EXPECT_EQ(outcomes[1].line, "bad ");
  EXPECT_EQ(outcomes[2].line, "b v=1");
  EXPECT_EQ(outcomes[3].line, "bad");
  EXPECT_EQ(outcomes[4].line, " bad");
}

TEST(Lines, TheLineIsAViewIntoTheInput) {
  const std::string input = "# c\nm v=1\nbad\n";
  Parser parser(Precision::kNanosecond);
  parser.reset(input);
  ASSERT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_EQ(parser.line().data(), input.data() + 4);
  EXPECT_EQ(parser.point().measurement.data(), input.data() + 4);
  ASSERT_EQ(parser.next(), Parser::Result::kError);
  EXPECT_EQ(parser.line().data(), input.data() + 10);
}

TEST(Lines, EndStaysTheEnd) {
  Parser parser(Precision::kNanosecond);
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
  parser.reset({});
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
  parser.reset("m v=1");
  EXPECT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
}

TEST(Lines, ResetStartsOver) {
  Parser parser(Precision::kNanosecond);
  parser.reset("bad\nm v=1 1\n");
  EXPECT_EQ(parser.next(), Parser::Result::kError);
  parser.reset("\nn v=2");
  EXPECT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_EQ(parser.point().measurement, "n");
  EXPECT_EQ(parser.line_number(), 2U);
  EXPECT_EQ(parser.next(), Parser::Result::kEnd);
}

}  // namespace
}  // namespace influx::line_protocol::testing
