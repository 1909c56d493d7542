#include "influx/line_protocol/framing.h"
#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

using namespace std::string_view_literals;

TEST(Recovery, ABadLineCostsThatLine) {
  EXPECT_EQ(summary_of("a v=1\nbad\nb v=1\n,\n\nc v=1\n=\nd v=1"), "a ! b ! c ! d");
}

// A user's text in a string must not become a point because the line around it is refused.
TEST(Recovery, NoLineIsReadOutOfAString) {
  EXPECT_EQ(summary_of("app load=NaN,msg=\"x\nfake,host=x v=1\n\"\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app,t= load=1,msg=\"x\nfake v=1\n\"\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app msg=\"x\nfake v=1\n\",load=NaN\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app msg=\"x\nfake v=1\n\"y\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app msg=\"x\nfake v=1\n\" nonsense\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app a=+1,msg=\"x\\\"\nfake v=1\n\\\\\"\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app a=+1,msg=\"x \\\nfake v=1\n\"\nreal v=1\n"), "! real");
  EXPECT_EQ(summary_of("app msg=\"x\0\nfake v=1\n\"\nreal v=1\n"sv), "! real");
  EXPECT_EQ(summary_of("app msg=\"x\xFF\nfake v=1\n\"\nreal v=1\n"), "! real");
}

TEST(Recovery, TheRefusedLineIsWhole) {
  const std::vector<Outcome> outcomes = parse_all("a x=NaN,s=\"1\n2\n\",y=1 7\r\nb v=1\n");
  ASSERT_EQ(outcomes.size(), 2U);
  EXPECT_EQ(outcomes[0].line, "a x=NaN,s=\"1\n2\n\",y=1 7");
  EXPECT_EQ(outcomes[0].line_number, 1U);
  EXPECT_EQ(outcomes[1].line_number, 4U);
}

TEST(Recovery, AnUnclosedStringTakesTheRest) {
  EXPECT_EQ(summary_of("a v=1\nb v=\"x\nc v=1\nd v=1\n"), "a !");
  EXPECT_EQ(summary_of("b v=+,w=\"x\nc v=1\nd v=1\n"), "!");
}

TEST(Recovery, QuotesThatOpenNoString) {
  EXPECT_EQ(summary_of("m\"x v=NaN\na v=1"), "! a");       // before the first space
  EXPECT_EQ(summary_of("m,t=\"x\na v=1"), "! a");          // there is no space
  EXPECT_EQ(summary_of("m \"x=NaN\na v=1"), "! a");        // in a key
  EXPECT_EQ(summary_of("m v=NaN,w\"=1\na v=1"), "! a");    // in a key behind a comma
  EXPECT_EQ(summary_of("m v=NaN,w=\\\"x\na v=1"), "! a");  // escaped
  EXPECT_EQ(summary_of("m\\ n\"x v=NaN\na v=1"), "! a");   // the space is escaped
  EXPECT_EQ(summary_of("   m=1,t=\"x v=NaN\na v=1"),
            "! a");  // spaces before the point count for nothing
}

TEST(Recovery, ABackslashHidesNoLineFeedOutsideAString) {
  EXPECT_EQ(summary_of("m\\\na v=1"), "! a");
  EXPECT_EQ(summary_of("m v=NaN\\\na v=1"), "! a");
  EXPECT_EQ(summary_of("m v=NaN\\\r\na v=1"), "! a");
}

// Where backslashes come in pairs before a comma, the walk takes the comma for a separator and the
// grammar takes it for a part of the key. The line then reaches at least to where the grammar had
// read.
TEST(Recovery, TheLineReachesToTheError) {
  EXPECT_EQ(summary_of("m v\\\\,x=\"a\nfake v=1\n\"5\nreal v=1"), "!");
  EXPECT_EQ(summary_of("m v\\\\,x=\"a\nn v=1\"\nreal v=1"), "m real");
  const std::vector<Outcome> outcomes = parse_all("m v\\\\,x=\"a\nfake v=1\n\"5\n\"\nreal v=1");
  ASSERT_EQ(outcomes.size(), 2U) << to_string(outcomes);
  EXPECT_EQ(outcomes[0].code, ErrorCode::kTrailingCharacters);
  EXPECT_LE(outcomes[0].position, outcomes[0].line.size());
}

TEST(Recovery, CommentsAndBlankLinesNeedNone) {
  EXPECT_EQ(summary_of("bad\n# \"\n\n\"\n a v=1"), "! ! a");
}

TEST(Recovery, TheWalkByItself) {
  EXPECT_EQ(find_end_of_refused_line("abc", 0), 3U);
  EXPECT_EQ(find_end_of_refused_line("abc\ndef", 0), 3U);
  EXPECT_EQ(find_end_of_refused_line("abc\ndef\n", 3), 3U);
  EXPECT_EQ(find_end_of_refused_line("abc\ndef\n", 4), 7U);
  EXPECT_EQ(find_end_of_refused_line("a b=\"\n\",c=\"\n\"\n", 0), 13U);
  EXPECT_EQ(find_end_of_refused_line("a b=1,c\"\n", 0), 8U);
  EXPECT_EQ(find_end_of_refused_line("a b=\"\\", 0), 6U);
  EXPECT_EQ(find_end_of_refused_line("a\\", 0), 2U);
}

}  // namespace
}  // namespace influx::line_protocol::testing
