#include <cctype>
#include <set>

#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

using namespace std::string_view_literals;

constexpr ErrorCode kLast = ErrorCode::kTrailingCharacters;

struct Example {
  std::string_view line;
  ErrorCode code;
  std::size_t position;
};

// At least one line for each code, and one for each place where the code can come from.
constexpr Example kExamples[] = {
    {",t=a v=1", ErrorCode::kMissingMeasurement, 0},
    {"  , v=1", ErrorCode::kMissingMeasurement, 2},
    {"m\tv=1", ErrorCode::kControlCharacter, 1},
    {"m,t\x01=a v=1", ErrorCode::kControlCharacter, 3},
    {"m,t=a\x7F v=1", ErrorCode::kControlCharacter, 5},
    {"m \tv=1", ErrorCode::kControlCharacter, 2},
    {"m v\r=1", ErrorCode::kControlCharacter, 3},
    {"m v=1\t2", ErrorCode::kControlCharacter, 5},
    {"m v=\t1", ErrorCode::kControlCharacter, 4},
    {"m v=\"a\"\t", ErrorCode::kControlCharacter, 7},
    {"m v=1 \t1", ErrorCode::kControlCharacter, 6},
    {"m v=1 1\v", ErrorCode::kControlCharacter, 7},
    {"m v=1 1 \f", ErrorCode::kControlCharacter, 8},
    {"\0"sv, ErrorCode::kControlCharacter, 0},
    {"a\xFF v=1", ErrorCode::kInvalidUtf8, 1},
    {"m,t\xC3=a v=1", ErrorCode::kInvalidUtf8, 3},
    {"m,t=a\x80 v=1", ErrorCode::kInvalidUtf8, 5},
    {"m \xC0\xAF=1", ErrorCode::kInvalidUtf8, 2},
    {"m v=\"\xC3\xA9\xED\xA0\x80\"", ErrorCode::kInvalidUtf8, 7},
    {"m,=a v=1", ErrorCode::kMissingTagKey, 2},
    {"m, v=1", ErrorCode::kMissingTagKey, 2},
    {"m,,t=a v=1", ErrorCode::kMissingTagKey, 2},
    {"m,", ErrorCode::kMissingTagKey, 2},
    {"m,t=a, v=1", ErrorCode::kMissingTagKey, 6},
    {"m,t v=1", ErrorCode::kMissingTagValue, 3},
    {"m,t", ErrorCode::kMissingTagValue, 3},
    {"m,t= v=1", ErrorCode::kMissingTagValue, 4},
    {"m,t=,u=b v=1", ErrorCode::kMissingTagValue, 4},
    {"m,t=", ErrorCode::kMissingTagValue, 4},
    {"m,t,u=a v=1", ErrorCode::kUnescapedComma, 3},
    {"m v,w=1", ErrorCode::kUnescapedComma, 3},
    {"m,t=a=b v=1", ErrorCode::kUnescapedEquals, 5},
    {"m,t==a v=1", ErrorCode::kUnescapedEquals, 4},
    {"m,a=1,b=2,a=3 v=1", ErrorCode::kDuplicateTag, 10},
    {"m", ErrorCode::kMissingFields, 1},
    {"m ", ErrorCode::kMissingFields, 2},
    {"m,t=a", ErrorCode::kMissingFields, 5},
    {"m,t=a   ", ErrorCode::kMissingFields, 8},
    {"m =1", ErrorCode::kMissingFieldKey, 2},
    {"m ,v=1", ErrorCode::kMissingFieldKey, 2},
    {"m v=1,", ErrorCode::kMissingFieldKey, 6},
    {"m v=1,,w=2", ErrorCode::kMissingFieldKey, 6},
    {"m v=1, w=2", ErrorCode::kMissingFieldKey, 6},
    {"m v", ErrorCode::kMissingFieldValue, 3},
    {"m v 1", ErrorCode::kMissingFieldValue, 3},
    {"m v=", ErrorCode::kMissingFieldValue, 4},
    {"m v=,w=1", ErrorCode::kMissingFieldValue, 4},
    {"m v= 1", ErrorCode::kMissingFieldValue, 4},
    {"m v=1.2.3", ErrorCode::kInvalidNumber, 4},
    {"m v=+1", ErrorCode::kInvalidNumber, 4},
    {"m v=1e400", ErrorCode::kFloatOutOfRange, 4},
    {"m v=9223372036854775808i", ErrorCode::kIntegerOutOfRange, 4},
    {"m v=18446744073709551616u", ErrorCode::kUnsignedOutOfRange, 4},
    {"m a=1,v=tRUE", ErrorCode::kInvalidBoolean, 8},
    {"m v=Falsey", ErrorCode::kInvalidBoolean, 4},
    {"m v=abc", ErrorCode::kInvalidFieldValue, 4},
    {"m v==1", ErrorCode::kInvalidFieldValue, 4},
    {"m v=\"abc", ErrorCode::kUnterminatedString, 4},
    {"m v=\"", ErrorCode::kUnterminatedString, 4},
    {"m v=\"a\0b\""sv, ErrorCode::kNulInString, 6},
    {"m v=1 abc", ErrorCode::kInvalidTimestamp, 6},
    {"m v=1 1,w=2", ErrorCode::kInvalidTimestamp, 6},
    {"m v=1 9223372036854775808", ErrorCode::kTimestampOutOfRange, 6},
    {"m v=\"a\"b", ErrorCode::kTrailingCharacters, 7},
    {"m v=1 1 1", ErrorCode::kTrailingCharacters, 8},
};

TEST(Errors, CodeAndPosition) {
  for (const Example& example : kExamples)
    expect_refused(example.line, example.code, example.position);
}

TEST(Errors, EveryCodeHasAnExample) {
  std::set<ErrorCode> seen;
  for (const Example& example : kExamples)
    seen.insert(example.code);
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kLast));
  EXPECT_FALSE(seen.contains(ErrorCode::kNone));
}

TEST(Errors, DescriptionsAreDistinctAndInTheStyleOfTheServer) {
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i <= static_cast<std::size_t>(kLast); ++i) {
    const std::string_view text = describe(static_cast<ErrorCode>(i));
    ASSERT_FALSE(text.empty());
    EXPECT_TRUE(std::islower(static_cast<unsigned char>(text.front()))) << text;
    EXPECT_NE(text.back(), '.') << text;
    EXPECT_TRUE(seen.insert(text).second) << text;
  }
  EXPECT_FALSE(seen.contains(describe(static_cast<ErrorCode>(255))));
}

TEST(Errors, PositionCountsFromTheStartOfItsOwnLine) {
  const std::vector<Outcome> outcomes = parse_all("m v=1\n\n  m v=x 7\nm v=2\n");
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[1].code, ErrorCode::kInvalidFieldValue);
  EXPECT_EQ(outcomes[1].line_number, 3U);
  EXPECT_EQ(outcomes[1].position, 6U);
  EXPECT_EQ(outcomes[1].line, "  m v=x 7");
}

TEST(Errors, PositionMayBeTheEndOfTheLine) {
  for (const char* input : {"m\n", "m\r\n", "m\r", "m"}) {
    const std::vector<Outcome> outcomes = parse_all(input);
    ASSERT_EQ(outcomes.size(), 1U);
    EXPECT_EQ(outcomes[0].code, ErrorCode::kMissingFields);
    EXPECT_EQ(outcomes[0].position, 1U);
    EXPECT_EQ(outcomes[0].line, "m");
  }
}

// Left to right; within one token its end comes before its encoding.
TEST(Errors, TheFirstErrorIsReported) {
  expect_refused("m,t= v=x", ErrorCode::kMissingTagValue, 4);
  expect_refused("m a=NaN,b=\"x", ErrorCode::kInvalidFieldValue, 4);
  expect_refused("m,a=1,a=2 v=x", ErrorCode::kDuplicateTag, 6);
  expect_refused("m,a=1,a=2,b v=x", ErrorCode::kMissingTagValue, 11);
  expect_refused("m\xFF\t v=1", ErrorCode::kControlCharacter, 2);
  expect_refused("m v=\"\xFF", ErrorCode::kUnterminatedString, 4);
}

}  // namespace
}  // namespace influx::line_protocol::testing
