#pragma once

#include "influx/ingest/refusal.h"
#include "influx/worker/histogram.h"

namespace influx::worker {

/// Stands for a time that is not known.
inline constexpr std::int64_t kNoTime = INT64_MIN;

/// What a listener has counted since it was launched or reset, through restarts; a crash of the
/// server ends the count. All are numbers of 64 bits, so that they can be copied as such.
struct Counters {
  std::uint64_t datagrams = 0;       ///< received
  std::uint64_t bytes = 0;           ///< of their payload
  std::uint64_t kernel_drops = 0;    ///< datagrams for which the kernel's buffer had no room
  std::uint64_t truncated = 0;       ///< datagrams too large to be received
  std::uint64_t filtered = 0;        ///< datagrams of senders that are not let in
  std::uint64_t lost_datagrams = 0;  ///< received, and given up
  std::uint64_t lines = 0;           ///< stored, refused, waiting and lost ones
  std::uint64_t lost_lines = 0;      ///< that waited when a process ended, and were given up
  std::uint64_t stored = 0;
  std::uint64_t duplicates = 0;  ///< stored ones that were there already
  std::array<std::uint64_t, ingest::kRefusalKinds> rejected{};  ///< by ingest::RefusalKind
  std::uint64_t batches = 0;                                    ///< written
  std::uint64_t retries = 0;                                    ///< of batches

  // No counts: as it is now. Times are nanoseconds since the epoch, or kNoTime.
  std::uint64_t waiting = 0;                ///< lines
  std::int64_t last_datagram_ns = kNoTime;  ///< when it was received
  std::int64_t newest_point_ns = kNoTime;   ///< the largest time of the points stored

  /// Of all kinds.
  std::uint64_t rejected_lines() const noexcept {
    return std::accumulate(rejected.begin(), rejected.end(), std::uint64_t{0});
  }
  bool operator==(const Counters&) const = default;
};
inline constexpr std::size_t kCounters = sizeof(Counters) / sizeof(std::uint64_t);

/// What earlier processes of a listener have counted, and this one.
Counters operator+(const Counters& earlier, const Counters& now) noexcept;
/// What was counted since it was `before`; what is no count stays as it is `now`.
Counters operator-(const Counters& now, const Counters& before) noexcept;

/// The batches of which some rows were stored: how many rows, and how long it took to write them,
/// in microseconds.
struct BatchCounts {
  BucketCounts rows{};
  BucketCounts microseconds{};
};

/// What was counted since it was `before`.
BatchCounts operator-(const BatchCounts& now, const BatchCounts& before) noexcept;

}  // namespace influx::worker
