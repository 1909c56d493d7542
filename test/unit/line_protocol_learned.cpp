#include "line_protocol_allocation_count.h"
#include "line_protocol_testing.h"
#include "reference/reference_parser.h"
#include "reference/remembered.h"

// What a parser learns of series and field keys: that it never changes a result, and what the ids
// promise.

namespace influx::line_protocol::testing {
namespace {

using reference::copy_of;
using reference::parse_slowly;
using reference::RememberedCheck;

struct Ids {
  Remembered series;
  Remembered field_keys;
};

// A parser that reads lines, each as an input of its own, and compares all with the reference.
class Reader {
 public:
  Ids read(const std::string& input) {
    EXPECT_EQ(to_string(parse_all(parser_, input)), to_string(parse_slowly(input)));
    EXPECT_EQ(check_.read(parser_, input), "");
    parser_.reset(input);
    Ids ids;
    while (parser_.next() != Parser::Result::kEnd)
      ids = {parser_.point().series, parser_.point().field_keys};
    return ids;
  }
  std::uint64_t series(const std::string& input) { return read(input).series.id; }
  std::uint64_t field_keys(const std::string& input) { return read(input).field_keys.id; }
  Parser& parser() { return parser_; }

 private:
  Parser parser_{Precision::kNanosecond};
  RememberedCheck check_;
};

TEST(Learned, TheSameSeriesHasTheSameId) {
  Reader reader;
  const std::uint64_t id = reader.series("cpu,host=a,cpu=0 v=1");
  EXPECT_NE(id, 0U);
  EXPECT_EQ(reader.series("cpu,host=a,cpu=0 w=2i 17"), id);
  EXPECT_EQ(reader.series("  cpu,host=a,cpu=0   w=2i 17\r\n"), id);
  EXPECT_NE(reader.series("cpu,host=a,cpu=1 v=1"), id);
  EXPECT_NE(reader.series("mem,host=a,cpu=0 v=1"), id);
  EXPECT_NE(reader.series("cpu v=1"), id);
  EXPECT_EQ(reader.series("cpu,host=a,cpu=0 v=1"), id);
}

TEST(Learned, ASeriesThatIsAPrefixOfAnother) {
  Reader reader;
  const std::vector<std::string> series = {"m",        "m,a=b",     "m,a=bc",     "m,a=b,c=d",
                                           "m,a=b\\ ", "m,a=b\\ c", "m,a=b\\\\ ", "mm"};
  std::vector<std::uint64_t> ids;
  for (const std::string& one : series)
    ids.push_back(reader.series(one + " v=1"));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(reader.series(series[i] + " v=1"), ids[i]) << series[i];
    for (std::size_t k = 0; k < i; ++k)
      EXPECT_TRUE(ids[i] == 0 || ids[i] != ids[k]) << series[i];
  }
}

TEST(Learned, EscapedSpacesDoNotEndASeries) {
  Reader reader;
  for (int i = 0; i < 3; ++i) {
    reader.read("cpu,a=b\\ c v=1");
    reader.read("cpu,a=b v=1");
    reader.read("cpu,a=b\\\\ c v=1");
    reader.read("c\\,p\\ u,a\\=\\ =b\\ c\\\\x v=1");
    reader.read("cpu,a=b\\");
    reader.read("cpu,a=b\\ ");
    reader.read("cpu,a=b\\ v=1");
  }
  Parser& parser = reader.parser();
  parser.reset("c\\,p\\ u,a\\=\\ =b\\ c\\\\x v=1");
  ASSERT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_EQ(parser.point().measurement, "c,p u");
  EXPECT_EQ(parser.point().tags[0].key, "a= ");
  EXPECT_EQ(parser.point().tags[0].value, "b c\\\\x");
  EXPECT_NE(parser.point().series.id, 0U);
}

TEST(Learned, KnownBytesWithSomethingElseBehindAreNoSeries) {
  Reader reader;
  reader.read("cpu,host=a v=1");
  for (const char* end : {"", "\n", "\r\n", "\r", "\t", ",b=c v=1", "=", "\\ v=1", "\"", "\x01 v=1",
                          " ", "  ", " \n", "\nb v=1", "\xC3\xA9 v=1", "\xC3 v=1", ","}) {
    reader.read(std::string("cpu,host=a") + end);
    reader.read("cpu,host=a v=1");
  }
}

TEST(Learned, WhatIsRefusedIsNotLearned) {
  Reader reader;
  for (int i = 0; i < 3; ++i) {
    for (const char* line :
         {"m,a=1,a=2 v=1", "m,=1 v=1", "m,a v=1", "m,a=b=c v=1", "m,a=\xFF v=1", "m\x01 v=1",
          ",a=b v=1", "m,a=1,b=2,a\\ b=3,a=4 v=1", "m,a= v=1", "m, v=1"}) {
      const Ids ids = reader.read(line);
      EXPECT_EQ(ids.series.id, 0U) << line;
    }
  }
}

TEST(Learned, LongSeriesAreNotKept) {
  Reader reader;
  for (const std::size_t size : {1000U, 1023U, 1024U, 1025U, 1026U, 5000U}) {
    const std::string series = "m,a=" + std::string(size - 4, 'x');
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(reader.series(series + " v=1") != 0, size <= 1024) << size;
  }
}

TEST(Learned, TheSameKeysHaveTheSameIdInEverySeries) {
  Reader reader;
  const std::uint64_t id = reader.field_keys("cpu,host=a x=1,y=2i,z=\"s\" 1");
  EXPECT_NE(id, 0U);
  EXPECT_EQ(reader.field_keys("cpu,host=a x=t,y=2u,z=0.5"), id);
  EXPECT_EQ(reader.field_keys("cpu,host=b x=1,y=2,z=3"), id);
  EXPECT_EQ(reader.field_keys("mem x=1,y=2,z=3"), id);
  EXPECT_NE(reader.field_keys("cpu,host=a y=1,x=2,z=3"), id);
  EXPECT_NE(reader.field_keys("cpu,host=a x=1,y=2"), id);
  EXPECT_NE(reader.field_keys("cpu,host=a x=1,y=2,z=3,w=4"), id);
  EXPECT_EQ(reader.field_keys("cpu,host=a x=1,y=2,z=3"), id);
}

TEST(Learned, FieldsThatBeginAsExpectedAndGoOnOtherwise) {
  Reader reader;
  const std::vector<std::string> lines = {
      "m,a=b x=1,y=2,z=3",
      "m,a=b x=1,y=2",
      "m,a=b x=1",
      "m,a=b x=1,y=2,z=3,w=4",
      "m,a=b x=1,y=2,zz=3",
      "m,a=b x=1,y=2,z=3,x=4",
      "m,a=b x=1,y=2,x=3",
      "m,a=b x=1,x=2,z=3",
      "m,a=b x=1,y=2,z=3,y=\"a\",x=t",
      "m,a=b x=1,y=2,",
      "m,a=b x=1,y=2,z",
      "m,a=b x=1,y=2,z=",
      "m,a=b x=1,y=2,z= 3",
      "m,a=b x=1,y=2,z=3 4",
      "m,a=b x=1,y=2,z=3 4 5",
      "m,a=b x=1,y=2,z=3i4",
      "m,a=b x=1,y=2,z=\"3",
      "m,a=b x=1,y=2,z=\"3\"4",
      "m,a=b x=1,y=2,z=\"3\n4\"",
      "m,a=b x=1,y=2,z=3,\n=3",
      "m,a=b x=1,,z=3",
      "m,a=b x=1,y\\==2,z=3",
      "m,a=b x\\ =1,y=2,z=3",
      "m,a=b x=1 y=2,z=3",
      "m,a=b y=1,x=2",
      "m,a=b x==1,y=2",
      "m,a=b x=\"a\",y=\"b\",z=\"c\"",
      "m,a=b x=1\n,y=2",
      "m,a=b x=1,y=2\r\n",
      "m,a=b x=-,y=2",
  };
  for (const std::string& first : lines) {
    for (const std::string& second : lines) {
      reader.read(first);
      reader.read(second);
      reader.read(first + "\n" + second + "\n");
    }
  }
}

TEST(Learned, ALineThatNamesAFieldTwiceHasNoId) {
  Reader reader;
  EXPECT_NE(reader.field_keys("m x=1,y=2"), 0U);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reader.field_keys("m x=1,y=2,x=3"), 0U);
    EXPECT_EQ(reader.field_keys("m x=1,x=2"), 0U);
    EXPECT_EQ(reader.field_keys("m x\\=\\\\=1,x\\=\\\\=2"), 0U);
  }
}

TEST(Learned, EscapedFieldKeys) {
  Reader reader;
  const std::uint64_t id = reader.field_keys("disk Disk\\ Read\\,s=1,a\\=b=2,c\\d=3");
  EXPECT_NE(id, 0U);
  EXPECT_EQ(reader.field_keys("disk Disk\\ Read\\,s=4,a\\=b=5,c\\d=6"), id);
  Parser& parser = reader.parser();
  // Behind expected keys with escapes others that are new, many times over.
  for (int i = 0; i < 20'000; ++i) {
    const std::string input =
        "disk Disk\\ Read\\,s=1,a\\=b=2,n" + std::to_string(i % 7000) + "\\ =3";
    parser.reset(input);
    ASSERT_EQ(parser.next(), Parser::Result::kPoint);
    ASSERT_EQ(parser.point().fields[0].key, "Disk Read,s");
    ASSERT_EQ(parser.point().fields[1].key, "a=b");
    ASSERT_EQ(parser.point().fields[2].key, "n" + std::to_string(i % 7000) + " ");
  }
}

TEST(Learned, ASeriesWithTwoKindsOfLines) {
  Reader reader;
  const std::uint64_t load = reader.field_keys("system,host=a load1=1,load5=2 1");
  const std::uint64_t uptime =
      reader.field_keys("system,host=a uptime=1i,text=\"12 days,  3:24\" 1");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(reader.field_keys("system,host=a load1=1,load5=2 1"), load);
    EXPECT_EQ(reader.field_keys("system,host=a uptime=1i,text=\"12 days\" 1"), uptime);
  }
}

TEST(Learned, MoreSeriesThanSlots) {
  Parser parser(Precision::kNanosecond);
  RememberedCheck check;
  std::string input;
  constexpr std::size_t kSeries = 3 * Parser::kSeriesSlots / 2;
  std::size_t known = 0;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < kSeries; ++i) {
      input = "m,tag=" + std::to_string(i) + ",other=" + std::to_string(i * i) +
              " v=" + std::to_string(i) + "i\n";
      ASSERT_EQ(check.read(parser, input), "");
      ASSERT_EQ(parser.point().tags[0].value, std::to_string(i));
      ASSERT_EQ(parser.point().tags[1].value, std::to_string(i * i));
      ASSERT_EQ(parser.point().fields[0].value.as_integer, static_cast<std::int64_t>(i));
      if (parser.point().series.id != 0) ++known;
    }
  }
  EXPECT_GT(known, 2 * kSeries);
}

TEST(Learned, MoreKeySequencesThanSlots) {
  Parser parser(Precision::kNanosecond);
  RememberedCheck check;
  std::size_t known = 0;
  constexpr std::size_t kSequences = 3 * Parser::kFieldKeysSlots / 2;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t i = 0; i < kSequences; ++i) {
      const std::string key = "key\\ " + std::to_string(i);
      ASSERT_EQ(check.read(parser, "m a=1i," + key + "=2i," + key + "b=3i"), "");
      ASSERT_EQ(parser.point().fields[1].key, "key " + std::to_string(i));
      if (parser.point().field_keys.id != 0) ++known;
    }
  }
  EXPECT_GT(known, 2 * kSequences);
}

// What comes once does not push out what comes again and again.
TEST(Learned, AFloodOfNewSeriesLeavesTheOthersWhereTheyAre) {
  Reader reader;
  const std::uint64_t id = reader.series("cpu,host=a v=1");
  std::string flood;
  for (std::size_t i = 0; i < 10 * std::size_t{Parser::kSeriesSlots}; ++i)
    flood += "m" + std::to_string(i) + " v=1\n";
  Parser& parser = reader.parser();
  parser.reset(flood);
  while (parser.next() == Parser::Result::kPoint) {
  }
  const std::size_t before = allocation_count();
  parser.reset("cpu,host=a v=1");
  ASSERT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_EQ(parser.point().series.id, id);
  EXPECT_EQ(allocation_count(), before);
}

// Large series: the bound in bytes is met before that in number.
TEST(Learned, LargeSeriesAreBoundedInBytes) {
  Parser parser(Precision::kNanosecond);
  RememberedCheck check;
  std::string tags;
  for (int i = 0; i < 50; ++i)
    tags += ",t" + std::to_string(i) + "=v";
  for (int i = 0; i < 30'000; ++i) {
    const std::string line = "m,n=" + std::to_string(i % 12'000) + tags + " v=1";
    ASSERT_EQ(check.read(parser, line), "");
    ASSERT_EQ(parser.point().tags[0].value, std::to_string(i % 12'000));
  }
}

// The views of a point live until the next line is read, whatever was learned from it.
TEST(Learned, PointsStayValidUntilTheNextLine) {
  Parser parser(Precision::kNanosecond);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 20'000; ++i) {
      const std::string input = "m\\ x,t\\ =" + std::to_string(i) + "\\, k\\ " +
                                std::to_string(i % 5000) + "=\"\\\"\",b=2\n";
      parser.reset(input);
      ASSERT_EQ(parser.next(), Parser::Result::kPoint);
      const OwnedPoint point = copy_of(parser.point());
      ASSERT_EQ(point.measurement, "m x");
      ASSERT_EQ(point.tags[0].value, std::to_string(i) + ",");
      ASSERT_EQ(point.fields[0].key, "k " + std::to_string(i % 5000));
      ASSERT_EQ(parser.next(), Parser::Result::kEnd);
      ASSERT_TRUE(copy_of(parser.point()) == point);
    }
  }
}

TEST(Learned, AParserForOneLineAllocatesLittle) {
  const std::size_t before = allocation_count();
  Parser parser(Precision::kNanosecond);
  parser.reset("cpu,host=a,region=b usage=1.5,idle=2i 17");
  ASSERT_EQ(parser.next(), Parser::Result::kPoint);
  EXPECT_LT(allocation_count() - before, 20U);
}

}  // namespace
}  // namespace influx::line_protocol::testing
