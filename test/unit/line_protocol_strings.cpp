#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

std::string string_of(std::string_view literal) {
  const OwnedField field = value_of(literal);
  EXPECT_EQ(field.type, ValueType::kString) << literal;
  return field.text;
}

TEST(Strings, ContentsWithoutTheQuotes) {
  EXPECT_EQ(string_of(R"("abc")"), "abc");
  EXPECT_EQ(string_of(R"("")"), "");
  EXPECT_EQ(string_of(R"(" ")"), " ");
  EXPECT_EQ(string_of(R"("a,b=c d # e 'f'")"), "a,b=c d # e 'f'");
}

TEST(Strings, TwoEscapes) {
  EXPECT_EQ(string_of(R"("a\"b")"), R"(a"b)");
  EXPECT_EQ(string_of(R"("a\\b")"), R"(a\b)");
  EXPECT_EQ(string_of(R"("\"")"), R"(")");
  EXPECT_EQ(string_of(R"("\\")"), R"(\)");
  EXPECT_EQ(string_of(R"("\\\"")"), R"(\")");
  EXPECT_EQ(string_of(R"("\\\\")"), R"(\\)");
  EXPECT_EQ(string_of(R"("C:\\dir\\")"), R"(C:\dir\)");
}

TEST(Strings, AnyOtherBackslashStays) {
  EXPECT_EQ(string_of(R"("C:\new\table")"), R"(C:\new\table)");
  EXPECT_EQ(string_of(R"("\n\r\t\x41\,\=\ \'")"), R"(\n\r\t\x41\,\=\ \')");
  EXPECT_EQ(string_of("\"a\\\nb\""), "a\\\nb");
  EXPECT_EQ(string_of(R"("\a\\b\"c")"), R"(\a\b"c)");
}

TEST(Strings, EveryByteButNulIsData) {
  for (int byte = 1; byte < 0x80; ++byte) {
    if (byte == '"' || byte == '\\') continue;
    const std::string contents = std::string("a") + static_cast<char>(byte) + "b";
    EXPECT_EQ(string_of("\"" + contents + "\""), contents) << byte;
  }
}

TEST(Strings, MaySpanLines) {
  const std::vector<Outcome> outcomes =
      parse_all("m v=\"one\ntwo\r\n# three\n\nfive\",w=1 7\r\nn v=2\nbad\n");
  ASSERT_EQ(outcomes.size(), 3U) << to_string(outcomes);
  EXPECT_EQ(outcomes[0].point.fields[0].text, "one\ntwo\r\n# three\n\nfive");
  EXPECT_EQ(outcomes[0].point.timestamp, 7);
  EXPECT_EQ(outcomes[0].line, "m v=\"one\ntwo\r\n# three\n\nfive\",w=1 7");
  EXPECT_EQ(outcomes[0].line_number, 1U);
  EXPECT_EQ(outcomes[1].point.measurement, "n");
  EXPECT_EQ(outcomes[1].line_number, 6U);
  EXPECT_EQ(outcomes[2].line_number, 7U);
}

TEST(Strings, NulIsRefused) {
  using namespace std::string_view_literals;
  expect_refused("m v=\"\0\""sv, ErrorCode::kNulInString, 5);
  expect_refused("m v=\"a\\\0\""sv, ErrorCode::kNulInString, 7);
  expect_refused("m v=\"a\n\0\" 1"sv, ErrorCode::kNulInString, 7);
}

TEST(Strings, OnlyCommaSpaceOrLineEndMayFollow) {
  EXPECT_EQ(summary_of("m v=\"a\"\nm v=\"a\"\r\nm v=\"a\" \nm v=\"a\",w=1\nm v=\"a\"\r"),
            "m m m m m");
  for (const std::string follower : {"b", "5", "\"b\"", "=", "\\", "i", "'", "\xC3\xA9"}) {
    expect_refused("m v=\"a\"" + follower, ErrorCode::kTrailingCharacters, 7);
  }
  expect_refused("m v=\"a\"b\"c\"", ErrorCode::kTrailingCharacters, 7);
  expect_refused("m v=\"a\"\t", ErrorCode::kControlCharacter, 7);
}

TEST(Strings, MustBeClosed) {
  expect_refused("m v=\"abc", ErrorCode::kUnterminatedString, 4);
  expect_refused("m v=\"abc\\\"", ErrorCode::kUnterminatedString, 4);
  expect_refused("m v=\"abc\\", ErrorCode::kUnterminatedString, 4);
  expect_refused("m v=\"abc\nn v=1\n", ErrorCode::kUnterminatedString, 4);
}

TEST(Strings, OtherQuotesDoNotQuote) {
  expect_refused("m v='a'", ErrorCode::kInvalidFieldValue, 4);
  expect_refused("m v=abc", ErrorCode::kInvalidFieldValue, 4);
  expect_refused("m v=\\\"a\\\"", ErrorCode::kInvalidFieldValue, 4);
}

TEST(Strings, Utf8IsChecked) {
  EXPECT_EQ(string_of("\"\xC3\xA9\\\"\xF0\x9F\x98\x80\""), "\xC3\xA9\"\xF0\x9F\x98\x80");
  expect_refused("m v=\"a\x80\"", ErrorCode::kInvalidUtf8, 6);
  expect_refused("m v=\"\xC3\"", ErrorCode::kInvalidUtf8, 5);
  expect_refused("m v=\"\xC3\\\"\xA9\"", ErrorCode::kInvalidUtf8, 5);
}

}  // namespace
}  // namespace influx::line_protocol::testing
