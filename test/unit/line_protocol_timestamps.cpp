#include <limits>

#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

std::optional<std::int64_t> timestamp_of(std::string_view text,
                                         Precision precision = Precision::kNanosecond) {
  return point_of("m v=1" + std::string(text), precision).timestamp;
}

TEST(Timestamps, AbsentWhereNoneWasSent) {
  EXPECT_FALSE(timestamp_of(""));
  EXPECT_FALSE(timestamp_of(" "));
  EXPECT_FALSE(timestamp_of("    "));
  EXPECT_FALSE(timestamp_of("\n"));
  EXPECT_FALSE(timestamp_of(" \r\n"));
  EXPECT_FALSE(timestamp_of("", Precision::kHour));
}

TEST(Timestamps, DecimalIntegers) {
  EXPECT_EQ(timestamp_of(" 0"), 0);
  EXPECT_EQ(timestamp_of(" -0"), 0);
  EXPECT_EQ(timestamp_of(" 1"), 1);
  EXPECT_EQ(timestamp_of(" -1"), -1);
  EXPECT_EQ(timestamp_of(" 007"), 7);
  EXPECT_EQ(timestamp_of(" 000000000000000000000000000007"), 7);
  EXPECT_EQ(timestamp_of("   7"), 7);
  EXPECT_EQ(timestamp_of(" 7   "), 7);
  EXPECT_EQ(timestamp_of(" 7\r\n"), 7);
  EXPECT_EQ(timestamp_of(" 7 \r"), 7);
  EXPECT_EQ(timestamp_of(" 9223372036854775807"), Limits::max());
  EXPECT_EQ(timestamp_of(" -9223372036854775808"), Limits::min());
}

TEST(Timestamps, NothingElse) {
  for (const std::string text :
       {"+1", "1.0",      "1.",  "1e9",  "1s",        "12ns",
        "-",  "--1",      "1-",  "0x10", "abc",       "2020-01-01T00:00:00Z",
        "1i", "\"1\"",    "1,2", "1=2",  "# comment", "1#",
        "\\", "\xC3\xA9", "\xFF"}) {
    expect_refused("m v=1 " + text, ErrorCode::kInvalidTimestamp, 6);
  }
}

TEST(Timestamps, OutOfRange) {
  for (const std::string text : {"9223372036854775808", "-9223372036854775809",
                                 "9999999999999999999", "99999999999999999999999999"}) {
    expect_refused("m v=1 " + text, ErrorCode::kTimestampOutOfRange, 6);
  }
}

TEST(Timestamps, OnlySpacesMayFollow) {
  expect_refused("m v=1 1 2", ErrorCode::kTrailingCharacters, 8);
  expect_refused("m v=1 1  # x", ErrorCode::kTrailingCharacters, 9);
  expect_refused("m v=1 1\t", ErrorCode::kControlCharacter, 7);
}

TEST(Timestamps, AreScaledToNanoseconds) {
  EXPECT_EQ(timestamp_of(" -1", Precision::kMicrosecond), -1'000);
  EXPECT_EQ(timestamp_of(" 1", Precision::kMillisecond), 1'000'000);
  EXPECT_EQ(timestamp_of(" 1700000000", Precision::kSecond), 1'700'000'000'000'000'000);
  EXPECT_EQ(timestamp_of(" 1", Precision::kMinute), 60'000'000'000);
  EXPECT_EQ(timestamp_of(" 1", Precision::kHour), 3'600'000'000'000);
  EXPECT_EQ(timestamp_of(" 1700000000", Precision::kAuto), 1'700'000'000'000'000'000);
  EXPECT_EQ(timestamp_of(" 1700000000000000000", Precision::kAuto), 1'700'000'000'000'000'000);
}

TEST(Timestamps, ScalingOutOfRangeCostsTheLine) {
  const std::vector<Outcome> outcomes = parse_all(
      "a v=1 1700000000000000000\nb v=1 9223372036\nc v=1 9223372037\n", Precision::kSecond);
  ASSERT_EQ(outcomes.size(), 3U);
  EXPECT_EQ(outcomes[0].code, ErrorCode::kTimestampOutOfRange);
  EXPECT_EQ(outcomes[0].position, 6U);
  EXPECT_EQ(outcomes[1].point.timestamp, 9'223'372'036'000'000'000);
  EXPECT_EQ(outcomes[2].code, ErrorCode::kTimestampOutOfRange);
}

// The timestamp of one line must not linger in the next (and -1 is a time like any other: influxdb
// 3367).
TEST(Timestamps, BelongToTheirLine) {
  const std::vector<Outcome> outcomes = parse_all("a v=1 -1\nb v=1\nc v=1 x\nd v=1\n");
  ASSERT_EQ(outcomes.size(), 4U);
  EXPECT_EQ(outcomes[0].point.timestamp, -1);
  EXPECT_FALSE(outcomes[1].point.timestamp);
  EXPECT_FALSE(outcomes[3].point.timestamp);
}

}  // namespace
}  // namespace influx::line_protocol::testing
