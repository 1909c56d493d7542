// The histograms behind the percentiles of pg_stat_influx.

#include "influx/worker/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace influx::worker {
namespace {

BucketCounts counted(const std::vector<std::uint64_t>& values) {
  BucketCounts counts{};
  for (const std::uint64_t value : values)
    ++counts.at(bucket_of(value));
  return counts;
}

/// By sorting: the value of that rank.
std::uint64_t exact_percentile(std::vector<std::uint64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent * static_cast<double>(values.size()) / 100);
  return values.at(static_cast<std::size_t>(rank) - 1);
}

void expect_near(std::uint64_t estimate, std::uint64_t exact) {
  EXPECT_LE(std::abs(static_cast<double>(estimate) - static_cast<double>(exact)),
            kBucketError * static_cast<double>(exact))
      << estimate << " instead of " << exact;
}

TEST(Histogram, NothingCountedHasNoPercentile) {
  EXPECT_EQ(percentile(BucketCounts{}, 50), std::nullopt);
}

TEST(Histogram, SmallNumbersAreExact) {
  for (std::uint64_t value = 0; value < 2 * kBucketsPerPower; ++value) {
    EXPECT_EQ(value_of_bucket(bucket_of(value)), value);
    EXPECT_EQ(percentile(counted({value}), 50), value);
  }
}

TEST(Histogram, BucketsRiseWithoutGaps) {
  std::size_t last = 0;
  for (std::uint64_t value = 0; value <= 1 << 20; ++value) {
    const std::size_t bucket = bucket_of(value);
    ASSERT_TRUE(bucket == last || bucket == last + 1) << value;
    last = bucket;
  }
  EXPECT_EQ(bucket_of(kLargestValue), kBuckets - 1);
}

TEST(Histogram, EachNumberIsWithinTheErrorOfItsBucket) {
  for (unsigned power = 0; power < 32; ++power) {
    for (std::uint64_t part = 0; part < 64; ++part) {
      const std::uint64_t value = (std::uint64_t{1} << power) + ((part << power) >> 6);
      expect_near(value_of_bucket(bucket_of(value)), value);
    }
    const std::uint64_t last = (std::uint64_t{2} << power) - 1;
    expect_near(value_of_bucket(bucket_of(last)), last);
  }
}

TEST(Histogram, WhatIsLargerCountsAsTheLargest) {
  EXPECT_EQ(bucket_of(kLargestValue + 1), kBuckets - 1);
  EXPECT_EQ(bucket_of(UINT64_MAX), kBuckets - 1);
}

TEST(Histogram, PercentilesOfKnownNumbers) {
  std::vector<std::uint64_t> values;
  for (std::uint64_t value = 1; value <= 10000; ++value)
    values.push_back(value);
  const BucketCounts counts = counted(values);
  for (const std::uint64_t percent : {1, 10, 50, 90, 99, 100})
    expect_near(percentile(counts, percent).value(), percent * 100);
}

TEST(Histogram, RanksAreRoundedUp) {
  EXPECT_EQ(percentile(counted({1, 2}), 50), 1U);
  EXPECT_EQ(percentile(counted({1, 2, 3}), 50), 2U);
  EXPECT_EQ(percentile(counted({1, 2, 3}), 99), 3U);
  EXPECT_EQ(percentile(counted(std::vector<std::uint64_t>(99, 1)), 99), 1U);
  std::vector<std::uint64_t> hundred(99, 1);
  hundred.push_back(9);
  EXPECT_EQ(percentile(counted(hundred), 99), 1U);
  hundred.push_back(9);
  EXPECT_EQ(percentile(counted(hundred), 99), 9U);
}

TEST(Histogram, PercentilesOfRandomNumbersAreNearTheExactOnes) {
  std::mt19937_64 random(7);  // NOLINT(cert-msc51-cpp): the same numbers in each run
  for (int round = 0; round < 200; ++round) {
    std::lognormal_distribution<double> spread(round % 15, 1 + round % 3);
    std::vector<std::uint64_t> values(1 + random() % 500);
    for (std::uint64_t& value : values)
      value = static_cast<std::uint64_t>(std::min(spread(random), 4e9));
    const BucketCounts counts = counted(values);
    for (const std::uint64_t percent : {50, 99})
      expect_near(percentile(counts, percent).value(),
                  exact_percentile(values, static_cast<double>(percent)));
  }
}

TEST(Histogram, ManyNumbersDoNotOverflow) {
  BucketCounts counts{};
  counts.at(bucket_of(3)) = UINT64_MAX / 2;
  counts.at(bucket_of(7)) = UINT64_MAX / 2;
  EXPECT_EQ(percentile(counts, 50), 3U);
  EXPECT_EQ(percentile(counts, 99), 7U);
}

}  // namespace
}  // namespace influx::worker
