#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>

namespace influx::worker {

// A histogram of numbers over many orders of magnitude, in little memory: each power of two is
// divided into eight buckets of equal width. Pure arithmetic, for unit tests too.

inline constexpr unsigned kBucketBits = 3;  ///< of a number that tell its bucket, behind the first
inline constexpr std::uint64_t kBucketsPerPower = std::uint64_t{1} << kBucketBits;
/// The largest number that is told from larger ones, which count as this one.
inline constexpr std::uint64_t kLargestValue = UINT32_MAX;
inline constexpr std::size_t kBuckets = (32 - kBucketBits + 1) * kBucketsPerPower;

/// How far the value that stands for a bucket is from those in it, at most, as a part of them.
/// Numbers below 2 * kBucketsPerPower have buckets of their own, and no error.
inline constexpr double kBucketError = 0.5 / static_cast<double>(kBucketsPerPower);

/// The bucket that counts `value`.
constexpr std::size_t bucket_of(std::uint64_t value) noexcept {
  if (value > kLargestValue) value = kLargestValue;
  if (value < kBucketsPerPower) return static_cast<std::size_t>(value);
  const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kBucketBits;
  return static_cast<std::size_t>(shift * kBucketsPerPower + (value >> shift));
}

/// The value that stands for a bucket: the middle of those that it counts.
constexpr std::uint64_t value_of_bucket(std::size_t bucket) noexcept {
  if (bucket < 2 * kBucketsPerPower) return bucket;
  const std::size_t shift = bucket / kBucketsPerPower - 1;
  const std::uint64_t least = (kBucketsPerPower + bucket % kBucketsPerPower) << shift;
  return least + ((std::uint64_t{1} << shift) - 1) / 2;
}

/// How many numbers each bucket has counted.
using BucketCounts = std::array<std::uint64_t, kBuckets>;

/// The least number that is not exceeded by `percent` in a hundred of those counted, within
/// kBucketError; nothing where none was counted. REQUIRES: 0 < percent <= 100.
constexpr std::optional<std::uint64_t> percentile(const BucketCounts& counts,
                                                  std::uint64_t percent) noexcept {
  const std::uint64_t all = std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  if (all == 0) return std::nullopt;
  // In this order the product cannot overflow; rounded up.
  const std::uint64_t rank = all / 100 * percent + (all % 100 * percent + 99) / 100;
  std::uint64_t passed = 0;
  std::size_t bucket = 0;
  while ((passed += counts[bucket]) < rank)
    ++bucket;
  return value_of_bucket(bucket);
}

}  // namespace influx::worker
