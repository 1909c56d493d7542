#include "influx/worker/shared_counters.h"

namespace influx::worker {

namespace {

using CounterArray = std::array<std::uint64_t, kCounters>;

/// A listener writes its counters in less time than this takes, unless it was put to sleep.
constexpr int kMostLooks = 100;
constexpr long kLookAgainUs = 10;

}  // namespace

void SharedCounters::write(const Counters& counters) noexcept {
  const auto values = std::bit_cast<CounterArray>(counters);
  const std::uint32_t edition = edition_.load(std::memory_order_relaxed);
  edition_.store(edition + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (std::size_t i = 0; i < kCounters; ++i)
    values_[i].store(values[i], std::memory_order_relaxed);
  edition_.store(edition + 2, std::memory_order_release);
}

Counters SharedCounters::read() const noexcept {
  CounterArray values{};
  for (int look = 1; look <= kMostLooks; ++look) {
    const std::uint32_t before = edition_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < kCounters; ++i)
      values[i] = values_[i].load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && before == edition_.load(std::memory_order_relaxed)) break;
    pg_usleep(kLookAgainUs);
  }
  return std::bit_cast<Counters>(values);
}

void SharedBuckets::count(std::uint64_t value) noexcept {
  std::atomic<std::uint64_t>& bucket = buckets_[bucket_of(value)];
  // There is one writer, so this need not be one step.
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

BucketCounts SharedBuckets::read() const noexcept {
  BucketCounts counts;
  std::transform(buckets_.begin(), buckets_.end(), counts.begin(),
                 [](const auto& bucket) { return bucket.load(std::memory_order_relaxed); });
  return counts;
}

void SharedBuckets::clear() noexcept {
  for (auto& bucket : buckets_)
    bucket.store(0, std::memory_order_relaxed);
}

}  // namespace influx::worker
