#pragma once

#include "influx/postgres/server.h"
#include "influx/worker/counters.h"

namespace influx::worker {

// What a listener counts, in shared memory. It alone writes, and never waits: one that waits for a
// reader would lose datagrams. Readers are any number.

/// Counters that are read as they fit together: a sequence lock.
class SharedCounters {
 public:
  /// REQUIRES: one writer at a time.
  void write(const Counters& counters) noexcept;
  /// A copy. Where the writer was put to sleep in between, one that may not fit together.
  Counters read() const noexcept;

 private:
  /// Odd while it is written, so that readers can tell a copy that does not fit together.
  std::atomic<std::uint32_t> edition_{0};
  std::array<std::atomic<std::uint64_t>, kCounters> values_{};
};

/// A histogram whose buckets are read each for itself.
class SharedBuckets {
 public:
  /// REQUIRES: one writer at a time.
  void count(std::uint64_t value) noexcept;
  BucketCounts read() const noexcept;
  /// Sets all to zero. REQUIRES: no writer.
  void clear() noexcept;

 private:
  std::array<std::atomic<std::uint64_t>, kBuckets> buckets_{};
};

}  // namespace influx::worker
