#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

std::string measurement_of(std::string_view name) {
  return point_of(std::string(name) + " v=1").measurement;
}

// The same name as a tag key, a tag value and a field key: the three have the same escapes.
void expect_key(std::string_view sent, std::string_view meant) {
  const std::string name(sent);
  const OwnedPoint point = point_of("m," + name + "=a,z=" + name + " " + name + "=1");
  ASSERT_EQ(point.tags.size(), 2U) << sent;
  EXPECT_EQ(point.tags[0].key, meant);
  EXPECT_EQ(point.tags[1].value, meant);
  ASSERT_EQ(point.fields.size(), 1U) << sent;
  EXPECT_EQ(point.fields[0].key, meant);
}

TEST(Names, MeasurementTagsFieldsAndTimestamp) {
  const OwnedPoint point = point_of("weather,site=east,unit=c temp=21.5,wet=f 1700000000000000000");
  EXPECT_EQ(point.measurement, "weather");
  const std::vector<OwnedTag> tags = {{"site", "east"}, {"unit", "c"}};
  EXPECT_EQ(point.tags, tags);
  ASSERT_EQ(point.fields.size(), 2U);
  EXPECT_EQ(point.fields[0].key, "temp");
  EXPECT_EQ(point.fields[1].key, "wet");
  EXPECT_EQ(point.timestamp, 1'700'000'000'000'000'000);
}

TEST(Names, MeasurementEscapesCommaAndSpaceOnly) {
  EXPECT_EQ(measurement_of("a\\,b"), "a,b");
  EXPECT_EQ(measurement_of("a\\ b"), "a b");
  EXPECT_EQ(measurement_of("\\,\\ \\,"), ", ,");
  EXPECT_EQ(measurement_of("a\\=b"), "a\\=b");
  EXPECT_EQ(measurement_of("a=b"), "a=b");
  EXPECT_EQ(measurement_of("="), "=");
  EXPECT_EQ(measurement_of("a\\nb"), "a\\nb");
  EXPECT_EQ(measurement_of("a\\\"b"), "a\\\"b");
}

TEST(Names, KeysAndTagValuesEscapeCommaEqualsAndSpace) {
  expect_key("a\\,b", "a,b");
  expect_key("a\\=b", "a=b");
  expect_key("a\\ b", "a b");
  expect_key("\\=", "=");
  expect_key("\\,\\=\\ ", ",= ");
  expect_key("a\\nb", "a\\nb");
  expect_key("a\\\"b", "a\\\"b");
  expect_key("\\x2d", "\\x2d");
}

TEST(Names, BackslashesDoNotPair) {
  EXPECT_EQ(measurement_of("a\\\\b"), "a\\\\b");
  EXPECT_EQ(measurement_of("a\\\\,b"), "a\\,b");
  EXPECT_EQ(measurement_of("a\\\\\\ b"), "a\\\\ b");
  expect_key("a\\\\b", "a\\\\b");
  expect_key("a\\\\,b", "a\\,b");
  expect_key("a\\\\\\=b", "a\\\\=b");
  expect_key("\\\\\\\\x", "\\\\\\\\x");
}

TEST(Names, NoNameEndsInABackslash) {
  expect_refused("m,t=C:\\ v=1", ErrorCode::kUnescapedEquals, 9);
  expect_refused("m,d=C:\\,h=x v=1", ErrorCode::kUnescapedEquals, 9);
  expect_refused("m\\ v=1", ErrorCode::kMissingFields, 6);
  expect_refused("m,t\\=a v=1", ErrorCode::kMissingTagValue, 6);
  expect_refused("m v\\=1", ErrorCode::kMissingFieldValue, 6);
}

TEST(Names, BackslashBeforeTheLineEndEscapesNothing) {
  EXPECT_EQ(summary_of("m\\\nn v=1\n"), "! n");
  EXPECT_EQ(summary_of("m\\\r\nn v=1\n"), "! n");
  EXPECT_EQ(summary_of("m\\"), "!");
  EXPECT_EQ(summary_of("m,t=a\\\nn v=1"), "! n");
}

TEST(Names, QuotesAreOrdinaryBytes) {
  const OwnedPoint point = point_of("\"m\",\"k\"=\"x\",s='y' \"f\"=1");
  EXPECT_EQ(point.measurement, "\"m\"");
  const std::vector<OwnedTag> tags = {{"\"k\"", "\"x\""}, {"s", "'y'"}};
  EXPECT_EQ(point.tags, tags);
  EXPECT_EQ(point.fields[0].key, "\"f\"");
  expect_refused("\"a b\" v=1", ErrorCode::kMissingFieldValue, 5);
  EXPECT_EQ(summary_of("m,t=\"x\ny\" v=1\nn v=1"), "! y\" n");
}

TEST(Names, ControlBytesAreRefusedEscapedOrNot) {
  for (int byte = 0; byte < 0x80; ++byte) {
    if (byte >= 0x20 && byte != 0x7F) continue;
    if (byte == '\n') continue;
    const std::string control(1, static_cast<char>(byte));
    for (const std::string& name : {"a" + control + "b", "a\\" + control + "b", control}) {
      expect_refused(name + " v=1", ErrorCode::kControlCharacter, name.find(control));
      expect_refused("m," + name + "=a v=1", ErrorCode::kControlCharacter);
      expect_refused("m,t=" + name + " v=1", ErrorCode::kControlCharacter);
      expect_refused("m " + name + "=1", ErrorCode::kControlCharacter);
    }
  }
}

TEST(Names, EveryOtherAsciiByteIsAllowed) {
  for (char byte = 0x21; byte < 0x7F; ++byte) {
    if (byte == ',' || byte == '=' || byte == '\\') continue;
    const std::string name = std::string("a") + byte;
    EXPECT_EQ(measurement_of(name), name);
    expect_key(name, name);
  }
}

TEST(Names, UnicodeIsNotInterpreted) {
  for (const std::string name :
       {"\xC2\xA0", "\xC2\x85", "\xE2\x80\xA8", "\xEF\xBB\xBF", "\xF4\x8F\xBF\xBF", "e\xCC\x81",
        "\xC3\xA9", "\xEE\x80\x80", "\xEF\xBF\xBF"}) {
    EXPECT_EQ(measurement_of(name), name);
    expect_key(name, name);
    expect_key(std::string(name).append("\\ ").append(name),
               std::string(name).append(" ").append(name));
  }
}

TEST(Names, InvalidUtf8IsRefusedAtTheOffendingSequence) {
  expect_refused("m\xC3\xA9\xC3 v=1", ErrorCode::kInvalidUtf8, 3);
  expect_refused("m,k\\,\xE2\x82=a v=1", ErrorCode::kInvalidUtf8, 5);
  expect_refused("m,k=\xF5\x80\x80\x80 v=1", ErrorCode::kInvalidUtf8, 4);
  expect_refused("m \xC3\\,\xA9=1", ErrorCode::kInvalidUtf8, 2);
}

TEST(Names, NoNameIsSpecialHere) {
  for (const std::string name : {"time", "_time", "_tags", "_fields", "_field", "_measurement",
                                 "select", "ctid", "tableoid", "_", "-1", "1i", "#"}) {
    expect_key(name, name);
    if (name != "#") {
      EXPECT_EQ(measurement_of(name), name);
    }
  }
  const OwnedPoint both = point_of("m,a=1 a=2");
  EXPECT_EQ(both.tags[0].key, both.fields[0].key);
}

TEST(Names, CaseIsKept) {
  const OwnedPoint point = point_of("CPU,Host=A,host=a V=1,v=2");
  EXPECT_EQ(point.measurement, "CPU");
  EXPECT_EQ(point.tags.size(), 2U);
  EXPECT_EQ(point.fields.size(), 2U);
}

TEST(Names, TagValuesAreAlwaysText) {
  const OwnedPoint point = point_of("m,a=0,b=true,c=1i,d=\"x\",e=-1.5e3 v=1");
  const std::vector<OwnedTag> tags = {
      {"a", "0"}, {"b", "true"}, {"c", "1i"}, {"d", "\"x\""}, {"e", "-1.5e3"}};
  EXPECT_EQ(point.tags, tags);
}

// Each escape needs memory of its own; none may overwrite what an earlier view points to.
TEST(Names, ManyEscapesInOneLine) {
  std::string line = "m\\ m";
  std::string fields = " ";
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(i);
    line.append(",k\\=").append(number).append("=v\\,").append(number);
    fields.append(i == 0 ? "f\\ " : ",f\\ ").append(number);
    fields.append("=\"\\\"").append(number).append("\\\\\"");
  }
  const OwnedPoint point = point_of(line + fields);
  EXPECT_EQ(point.measurement, "m m");
  ASSERT_EQ(point.tags.size(), 500U);
  ASSERT_EQ(point.fields.size(), 500U);
  for (std::size_t i = 0; i < 500; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_EQ(point.tags[i].key, "k=" + number);
    EXPECT_EQ(point.tags[i].value, "v," + number);
    EXPECT_EQ(point.fields[i].key, "f " + number);
    EXPECT_EQ(point.fields[i].text, "\"" + number + "\\");
  }
}

}  // namespace
}  // namespace influx::line_protocol::testing
