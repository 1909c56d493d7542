#pragma once

#include "influx/ingest/refusal.h"

namespace influx::worker {

/// Writes refused lines to the server log at a bounded rate: a sender must not be able to fill the
/// log.
class RefusalLog {
 public:
  /// Lines reported in each interval; the others are counted, and their number is logged.
  static constexpr int kMostPerInterval = 10;
  static constexpr int kIntervalMs = 1000;

  void report(const ingest::Line& line, const ingest::Origin& origin,
              const ingest::Refusal& refusal);

  /// Logs how many reports were left out, once the interval is over or where `now` is set.
  void flush(bool now = false);

  /// Whether flush() has something to say when the interval is over.
  bool has_more() const noexcept { return left_out_ > 0; }

 private:
  bool may_report();
  bool interval_is_over() const noexcept;

  std::uint64_t left_out_ = 0;
  int reported_ = 0;
  std::int64_t interval_start_ns_ = 0;  ///< on the monotonic clock
};

}  // namespace influx::worker
