#include "influx/worker/counters.h"

namespace influx::worker {

namespace {

using CounterArray = std::array<std::uint64_t, kCounters>;

void subtract(BucketCounts& now, const BucketCounts& before) noexcept {
  std::transform(now.begin(), now.end(), before.begin(), now.begin(), std::minus<>());
}

}  // namespace

Counters operator+(const Counters& earlier, const Counters& now) noexcept {
  auto values = std::bit_cast<CounterArray>(earlier);
  const auto added = std::bit_cast<CounterArray>(now);
  for (std::size_t i = 0; i < kCounters; ++i)
    values[i] += added[i];
  auto sum = std::bit_cast<Counters>(values);
  sum.waiting = now.waiting;
  sum.last_datagram_ns =
      now.last_datagram_ns != kNoTime ? now.last_datagram_ns : earlier.last_datagram_ns;
  sum.newest_point_ns = std::max(earlier.newest_point_ns, now.newest_point_ns);
  return sum;
}

Counters operator-(const Counters& now, const Counters& before) noexcept {
  auto values = std::bit_cast<CounterArray>(now);
  const auto taken = std::bit_cast<CounterArray>(before);
  for (std::size_t i = 0; i < kCounters; ++i)
    values[i] -= taken[i];
  auto difference = std::bit_cast<Counters>(values);
  difference.waiting = now.waiting;
  difference.last_datagram_ns = now.last_datagram_ns;
  difference.newest_point_ns = now.newest_point_ns;
  return difference;
}

BatchCounts operator-(const BatchCounts& now, const BatchCounts& before) noexcept {
  BatchCounts difference = now;
  subtract(difference.rows, before.rows);
  subtract(difference.microseconds, before.microseconds);
  return difference;
}

}  // namespace influx::worker
