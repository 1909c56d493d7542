#include "influx/line_protocol/precision.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

namespace influx::line_protocol {
namespace {

using Limits = std::numeric_limits<std::int64_t>;

constexpr std::array kAll = {
    Precision::kNanosecond, Precision::kMicrosecond, Precision::kMillisecond, Precision::kSecond,
    Precision::kMinute,     Precision::kHour,        Precision::kAuto};

TEST(PrecisionName, EachNameIsKnown) {
  EXPECT_EQ(precision_from_name("n"), Precision::kNanosecond);
  EXPECT_EQ(precision_from_name("ns"), Precision::kNanosecond);
  EXPECT_EQ(precision_from_name("u"), Precision::kMicrosecond);
  EXPECT_EQ(precision_from_name("us"), Precision::kMicrosecond);
  EXPECT_EQ(precision_from_name("ms"), Precision::kMillisecond);
  EXPECT_EQ(precision_from_name("s"), Precision::kSecond);
  EXPECT_EQ(precision_from_name("m"), Precision::kMinute);
  EXPECT_EQ(precision_from_name("h"), Precision::kHour);
  EXPECT_EQ(precision_from_name("auto"), Precision::kAuto);
}

TEST(PrecisionName, AnythingElseIsUnknown) {
  for (const char* name :
       {"", "NS", "S", "sec", "second", "d", "w", " s", "s ", "\xC2\xB5", "auto1"}) {
    EXPECT_FALSE(precision_from_name(name)) << name;
  }
  EXPECT_FALSE(precision_from_name(std::string_view("s\0", 2)));
}

TEST(PrecisionName, CanonicalNameIsTakenBack) {
  for (const Precision precision : kAll) {
    EXPECT_EQ(precision_from_name(name_of(precision)), precision) << name_of(precision);
  }
}

TEST(PrecisionScale, EachUnit) {
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kNanosecond), 7);
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kMicrosecond), 7'000);
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kMillisecond), 7'000'000);
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kSecond), 7'000'000'000);
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kMinute), 420'000'000'000);
  EXPECT_EQ(scale_to_nanoseconds(7, Precision::kHour), 25'200'000'000'000);
  for (const Precision precision : kAll)
    EXPECT_EQ(scale_to_nanoseconds(0, precision), 0);
}

TEST(PrecisionScale, UpToTheLimitsOf64BitsAndNoFurther) {
  struct Unit {
    Precision precision;
    std::int64_t nanoseconds;
  };
  for (const Unit unit :
       {Unit{Precision::kMicrosecond, 1'000}, Unit{Precision::kMillisecond, 1'000'000},
        Unit{Precision::kSecond, 1'000'000'000}, Unit{Precision::kMinute, 60'000'000'000},
        Unit{Precision::kHour, 3'600'000'000'000}}) {
    const std::int64_t largest = Limits::max() / unit.nanoseconds;
    const std::int64_t smallest = Limits::min() / unit.nanoseconds;
    EXPECT_EQ(scale_to_nanoseconds(largest, unit.precision), largest * unit.nanoseconds);
    EXPECT_EQ(scale_to_nanoseconds(smallest, unit.precision), smallest * unit.nanoseconds);
    EXPECT_FALSE(scale_to_nanoseconds(largest + 1, unit.precision)) << name_of(unit.precision);
    EXPECT_FALSE(scale_to_nanoseconds(smallest - 1, unit.precision)) << name_of(unit.precision);
    EXPECT_FALSE(scale_to_nanoseconds(Limits::max(), unit.precision));
    EXPECT_FALSE(scale_to_nanoseconds(Limits::min(), unit.precision));
  }
  EXPECT_EQ(scale_to_nanoseconds(Limits::max(), Precision::kNanosecond), Limits::max());
  EXPECT_EQ(scale_to_nanoseconds(Limits::min(), Precision::kNanosecond), Limits::min());
}

// Nanoseconds sent where seconds are expected crashed another database (GreptimeDB, issue 3739).
TEST(PrecisionScale, NanosecondsAsSecondsAreRefused) {
  EXPECT_FALSE(scale_to_nanoseconds(1'700'000'000'000'000'000, Precision::kSecond));
}

TEST(PrecisionScale, AutoGoesByMagnitude) {
  constexpr std::int64_t kSeconds = 5'000'000'000;
  for (const std::int64_t sign : {1, -1}) {
    const auto scaled = [&](std::int64_t size) {
      return scale_to_nanoseconds(sign * size, Precision::kAuto);
    };
    EXPECT_EQ(scaled(1), sign * 1'000'000'000);
    EXPECT_EQ(scaled(kSeconds - 1), sign * (kSeconds - 1) * 1'000'000'000);
    EXPECT_EQ(scaled(kSeconds), sign * kSeconds * 1'000'000);
    EXPECT_EQ(scaled(kSeconds * 1'000 - 1), sign * (kSeconds * 1'000 - 1) * 1'000'000);
    EXPECT_EQ(scaled(kSeconds * 1'000), sign * kSeconds * 1'000 * 1'000);
    EXPECT_EQ(scaled(kSeconds * 1'000'000 - 1), sign * (kSeconds * 1'000'000 - 1) * 1'000);
    EXPECT_EQ(scaled(kSeconds * 1'000'000), sign * kSeconds * 1'000'000);
  }
  EXPECT_EQ(scale_to_nanoseconds(Limits::max(), Precision::kAuto), Limits::max());
  EXPECT_EQ(scale_to_nanoseconds(Limits::min(), Precision::kAuto), Limits::min());
}

TEST(PrecisionFloor, RoundsTowardsMinusInfinity) {
  EXPECT_EQ(floor_to_microseconds(0), 0);
  EXPECT_EQ(floor_to_microseconds(999), 0);
  EXPECT_EQ(floor_to_microseconds(1000), 1);
  EXPECT_EQ(floor_to_microseconds(-1), -1);
  EXPECT_EQ(floor_to_microseconds(-999), -1);
  EXPECT_EQ(floor_to_microseconds(-1000), -1);
  EXPECT_EQ(floor_to_microseconds(-1001), -2);
  EXPECT_EQ(floor_to_microseconds(Limits::max()), 9'223'372'036'854'775);
  EXPECT_EQ(floor_to_microseconds(Limits::min()), -9'223'372'036'854'776);
}

}  // namespace
}  // namespace influx::line_protocol
