#include "line_protocol_testing.h"

// Where the servers and relays of this protocol differ, and lines that once broke one of them
// (docs/protocol.md, who does what). The comments name the report.

namespace influx::line_protocol::testing {
namespace {

using namespace std::string_view_literals;

TEST(Servers, WhatEachRowOfTheTableRecommends) {
  EXPECT_EQ(summary_of("m v=1\r\n"), "m");
  EXPECT_EQ(summary_of("m v=1 \r 1"), "!");
  EXPECT_EQ(summary_of("m v=1 "), "m");
  EXPECT_EQ(summary_of("m v=1 1 "), "m");
  EXPECT_EQ(summary_of("m\tv=1"), "!");
  EXPECT_EQ(summary_of("\tm v=1"), "!");
  EXPECT_EQ(summary_of("\0m v=1"sv), "!");
  EXPECT_EQ(summary_of("m,a\x01=b v=1"), "!");
  EXPECT_EQ(summary_of("m\\\n v=1"), "! !");
  EXPECT_EQ(summary_of("a\\\\b v=1"), "a\\\\b");
  EXPECT_EQ(summary_of("a\\\\,b v=1"), "a\\,b");
  EXPECT_EQ(summary_of("m\\=a v=1"), "m\\=a");
  EXPECT_EQ(summary_of("m\\\"a v=1"), "m\\\"a");
  EXPECT_EQ(point_of("m a\\\"b=1").fields[0].key, "a\\\"b");
  EXPECT_EQ(summary_of("m,a=b=c v=1"), "!");
  EXPECT_EQ(summary_of("m,a,b=c v=1"), "!");
  EXPECT_EQ(summary_of("m a,b=1"), "!");
  EXPECT_EQ(summary_of("m,,a=b v=1"), "!");
  EXPECT_EQ(summary_of("m v=1,"), "!");
  EXPECT_EQ(summary_of("m,a= v=1"), "!");
  EXPECT_EQ(summary_of(",a=b v=1"), "!");
  EXPECT_EQ(summary_of("m,a=b,a=c v=1"), "!");
  EXPECT_EQ(point_of("m v=1,v=2i").fields[0].type, ValueType::kInteger);
  EXPECT_EQ(summary_of("m v=1.\nm v=.5"), "m m");
  EXPECT_EQ(summary_of("m v=1e400"), "!");
  EXPECT_EQ(summary_of("m v=NaN\nm v=Inf\nm v=-inf"), "! ! !");
  EXPECT_EQ(summary_of("m v=1e\nm v=yes\nm v=abc\nm v='a'"), "! ! ! !");
  EXPECT_EQ(summary_of("m v=007i"), "m");
  EXPECT_EQ(summary_of("m v=1u"), "m");
  EXPECT_EQ(summary_of("m v=tRUE"), "!");
  EXPECT_EQ(value_of("\"\\n\"").text, "\\n");
  EXPECT_EQ(value_of("\"\\x\"").text, "\\x");
  EXPECT_EQ(value_of("\"a\nb\"").text, "a\nb");
  EXPECT_EQ(summary_of("m v=\"a\"b\"c\"\nm v=\"a\"5"), "! !");
  EXPECT_EQ(summary_of("m,a=\xFF v=1\nm v=1"), "! m");
  EXPECT_EQ(summary_of("m v=1 9223372036854775807\nm v=1 -9223372036854775808"), "m m");
  EXPECT_EQ(summary_of("m v=1 1n\nm v==1\nm v=1d"), "! ! !");
  EXPECT_EQ(summary_of("app load=NaN,msg=\"x\nfake,host=x v=1\n\""), "!");
  EXPECT_EQ(summary_of("# a=\"b\nm v=1"), "m");
  EXPECT_EQ(summary_of("a v=1\nbad\nb v=1"), "a ! b");
}

TEST(Servers, DeviationsFromTheWrittenGrammar) {
  EXPECT_EQ(value_of("\"C:\\new\\run\\tab\"").text, "C:\\new\\run\\tab");
  EXPECT_EQ(summary_of("# \t\x01\nm v=1"), "m");
  expect_refused("m v=\"\0\""sv, ErrorCode::kNulInString);
  expect_refused("m v=0x1p4", ErrorCode::kInvalidNumber);
  expect_refused("m v=1_000", ErrorCode::kInvalidNumber);
}

// influxdb 4076, 3570, 8538, 10087: panics on mixtures of quotes, backslashes and commas.
TEST(Servers, MixturesOfQuotesBackslashesAndCommas) {
  EXPECT_EQ(summary_of("m v=\"\\\",\\\"\""), "m");
  EXPECT_EQ(summary_of("m v=\"\\\\\",w=\",\""), "m");
  EXPECT_EQ(summary_of("m,a=\\\",b=\" v=\"\\\""), "!");
  EXPECT_EQ(summary_of("\\\",\\=\\\"=\\, \\ =\"\\\\\\\"\""), "\\\"");
  EXPECT_EQ(summary_of("\"\\\n\\\"\n,\\\n=\\"), "! ! ! !");
  EXPECT_EQ(summary_of("m,a=\\"), "!");
  EXPECT_EQ(summary_of("m a=\\"), "!");
  EXPECT_EQ(summary_of("m a=\"\\"), "!");
}

// influxdb 5407, 5231: a tag value that ends in a backslash.
TEST(Servers, TagValueEndingInABackslash) {
  EXPECT_EQ(summary_of("disk,path=C:\\ free=1\nm v=1"), "! m");
  EXPECT_EQ(summary_of("disk,path=C:\\,host=a free=1\nm v=1"), "! m");
  EXPECT_EQ(point_of("disk,path=C:\\\\ab free=1").tags[0].value, "C:\\\\ab");
}

// influxdb 6008, 9954: two scanners of one parser took backslashes differently.
TEST(Servers, BackslashesBeforeAQuote) {
  EXPECT_EQ(point_of("m a=\"x\\\\\",b=\"y\"").fields.size(), 2U);
  EXPECT_EQ(point_of("m a=\"x\\\\\\\",b=\",c=1").fields.size(), 2U);
  EXPECT_EQ(point_of("m a=\"\\\\\\\\\" 5").timestamp, 5);
}

// influxdb 9102: quotes that nobody escaped.
TEST(Servers, UnescapedQuotesInAString) {
  EXPECT_EQ(summary_of("m v=\"say \"hello\" now\"\nn v=1"), "! n");
}

// line-protocol 50 and 51: a token was overwritten when another needed the buffer.
TEST(Servers, UnescapedTextsSurviveTheRestOfTheLine) {
  const OwnedPoint point = point_of("a\\ b,c\\ d=e\\ f g\\ h=\"i\\\"j\",k=\"l\\\\m\"");
  EXPECT_EQ(point.measurement, "a b");
  EXPECT_EQ(point.tags[0].key, "c d");
  EXPECT_EQ(point.tags[0].value, "e f");
  EXPECT_EQ(point.fields[0].key, "g h");
  EXPECT_EQ(point.fields[0].text, "i\"j");
  EXPECT_EQ(point.fields[1].text, "l\\m");
}

// telegraf 2862, 2881: a point cut in two. Each half is a line of its own and mostly refused; a
// receiver must not put them together.
TEST(Servers, HalvesOfAPoint) {
  EXPECT_EQ(summary_of("cpu,host=a us"), "!");
  EXPECT_EQ(summary_of("age=1 17"), "!");
}

// telegraf 4214, 12436; VictoriaMetrics 10067: backslashes and line ends in strings.
TEST(Servers, BackslashesAndLineEndsInStrings) {
  EXPECT_EQ(value_of("\"a\\tb\\ c\\,d\"").text, "a\\tb\\ c\\,d");
  EXPECT_EQ(value_of("\"a\\\n\\b\"").text, "a\\\n\\b");
  EXPECT_EQ(summary_of("m v=\"a\nb\"\nn v=1"), "m n");
}

// VictoriaMetrics 82: no end without a final line feed.
TEST(Servers, NoFinalLineFeed) {
  EXPECT_EQ(summary_of("m v=1\nn v=1"), "m n");
  EXPECT_EQ(summary_of("m v=1\nn"), "m !");
  EXPECT_EQ(summary_of("m v=1\n#"), "m");
}

// QuestDB 6772: a length byte read as signed.
TEST(Servers, NamesOf127To129Bytes) {
  for (const std::size_t size : {127U, 128U, 129U, 255U, 256U, 257U, 65535U, 65536U, 65537U}) {
    const std::string name(size, 'n');
    const std::string line = std::string("m,").append(name).append("=a ").append(name).append("=1");
    EXPECT_EQ(point_of(line).tags[0].key.size(), size);
  }
}

// cnosdb 1817; skogul 230; greptimedb 3739.
TEST(Servers, OtherReports) {
  expect_refused("a,b,c", ErrorCode::kUnescapedComma, 3);
  EXPECT_EQ(point_of("m,t=a\\x2db v=1").tags[0].value, "a\\x2db");
  const std::vector<Outcome> outcomes = parse_all("m v=1 1700000000000000000", Precision::kSecond);
  ASSERT_EQ(outcomes.size(), 1U);
  EXPECT_EQ(outcomes[0].code, ErrorCode::kTimestampOutOfRange);
}

}  // namespace
}  // namespace influx::line_protocol::testing
