#include <set>

#include "influx/line_protocol/key_set.h"
#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

// A line of `count` tags and as many fields, with keys that `key` makes of a number.
template <class MakeKey>
std::string line_of(std::size_t count, MakeKey key) {
  std::string line = "m";
  for (std::size_t i = 0; i < count; ++i)
    line += "," + key(i) + "=" + std::to_string(i);
  for (std::size_t i = 0; i < count; ++i) {
    line += (i == 0 ? " " : ",") + key(i) + "=" + std::to_string(i) + "i";
  }
  return line;
}

// Keys of one length that differ in the middle only, where a signature does not look.
std::string colliding_key(std::size_t i) {
  const std::string number = std::to_string(i);
  return "aaaaaaaaaaaa" + std::string(8 - number.size(), '0') + number + "zzzzzzzzzzzz";
}

std::string plain_key(std::size_t i) {
  return "k" + std::to_string(i);
}

TEST(Duplicates, TagKeyTwiceIsRefused) {
  expect_refused("m,a=1,a=2 v=1", ErrorCode::kDuplicateTag, 6);
  expect_refused("m,a=1,a=1 v=1", ErrorCode::kDuplicateTag, 6);
  expect_refused("m,b=1,a=1,c=1,a=1,b=1 v=1", ErrorCode::kDuplicateTag, 14);
  expect_refused("m,a=1,a=2", ErrorCode::kDuplicateTag, 6);
}

TEST(Duplicates, TagKeysAreComparedUnescaped) {
  expect_refused("m,a\\ b=1,a\\ b=2 v=1", ErrorCode::kDuplicateTag, 9);
  EXPECT_EQ(point_of("m,a\\b=1,ab=2 v=1").tags.size(), 2U);
  EXPECT_EQ(point_of("m,a\\\\,b=1,a\\,b=2 v=1").tags.size(), 2U);
}

TEST(Duplicates, TheLastFieldOfANameCounts) {
  const OwnedPoint point = point_of("m a=1i,b=2i,a=\"x\",c=3i,b=t,a=4u");
  ASSERT_EQ(point.fields.size(), 3U);
  EXPECT_EQ(point.fields[0].key, "a");
  EXPECT_EQ(point.fields[0].type, ValueType::kUnsigned);
  EXPECT_EQ(point.fields[0].bits, 4U);
  EXPECT_EQ(point.fields[1].key, "b");
  EXPECT_EQ(point.fields[1].type, ValueType::kBoolean);
  EXPECT_EQ(point.fields[2].key, "c");
  EXPECT_EQ(point_of("m a\\ b=1,a\\ b=2").fields.size(), 1U);
}

TEST(Duplicates, AnOverwrittenFieldMustBeValidAllTheSame) {
  expect_refused("m a=x,a=1", ErrorCode::kInvalidFieldValue, 4);
}

TEST(Duplicates, TagAndFieldOfOneNameAreBothKept) {
  const OwnedPoint point = point_of("m,a=1 a=2");
  EXPECT_EQ(point.tags.size(), 1U);
  EXPECT_EQ(point.fields.size(), 1U);
}

TEST(Duplicates, ManyKeys) {
  for (const std::size_t count : {2U, 3U, 31U, 32U, 33U, 34U, 100U, 2000U}) {
    for (const auto key : {plain_key, colliding_key}) {
      const OwnedPoint point = point_of(line_of(count, key));
      ASSERT_EQ(point.tags.size(), count);
      ASSERT_EQ(point.fields.size(), count);
      for (std::size_t i = 0; i < count; ++i)
        EXPECT_EQ(point.fields[i].bits, i);

      // One more key, the same as some other: a refused tag, a changed field.
      for (const std::size_t again : {std::size_t{0}, count / 2, count - 1}) {
        const std::string line = line_of(count, key);
        const std::string tag = "," + key(again) + "=x";
        const std::size_t tags_end = line.find(' ');
        expect_refused(line.substr(0, tags_end) + tag + line.substr(tags_end),
                       ErrorCode::kDuplicateTag, tags_end + 1);
        const OwnedPoint changed = point_of(line + "," + key(again) + "=t");
        ASSERT_EQ(changed.fields.size(), count);
        EXPECT_EQ(changed.fields[again].type, ValueType::kBoolean);
        EXPECT_EQ(changed.fields[(again + 1) % count].type, ValueType::kInteger);
      }
    }
  }
}

TEST(Duplicates, AllFieldsTheSame) {
  std::string line = "m ";
  for (int i = 0; i < 5000; ++i)
    line += "v=" + std::to_string(i) + "i,";
  const OwnedPoint point = point_of(line + "v=7u");
  ASSERT_EQ(point.fields.size(), 1U);
  EXPECT_EQ(point.fields[0].bits, 7U);
}

TEST(Duplicates, SignaturesOfEqualKeysAreEqualAndOthersMostlyDiffer) {
  std::set<std::uint64_t> signatures;
  std::size_t keys = 0;
  for (std::size_t i = 0; i < 10'000; ++i) {
    for (const std::string& key :
         {plain_key(i), "field" + std::to_string(i), std::to_string(i) + "_usage_percent"}) {
      EXPECT_EQ(key_signature(key), key_signature(std::string(key)));
      signatures.insert(key_signature(key));
      ++keys;
    }
  }
  EXPECT_EQ(signatures.size(), keys);
  // Every name of one and of two letters, the shortest path.
  signatures.clear();
  keys = 0;
  for (char first = 'a'; first <= 'z'; ++first) {
    signatures.insert(key_signature(std::string(1, first)));
    ++keys;
    for (char second = 'a'; second <= 'z'; ++second) {
      signatures.insert(key_signature(std::string{first, second}));
      ++keys;
    }
  }
  EXPECT_EQ(signatures.size(), keys);
  EXPECT_EQ(key_signature(colliding_key(1)), key_signature(colliding_key(2)));
}

}  // namespace
}  // namespace influx::line_protocol::testing
