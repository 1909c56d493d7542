#pragma once

#include "influx/worker/counters.h"

namespace influx::worker {

/// Logs every `influx.log_interval` what a listener has done since the last time, if that is on and
/// it has done anything.
class SummaryLog {
 public:
  /// Whether flush() has something to do: an interval is over, or the setting was changed. Cheap.
  bool is_due() const noexcept;

  /// Logs what was counted since the interval began, and begins another one. `counted` is what the
  /// process has counted so far. REQUIRES: is_due(). May raise.
  void flush(const Counters& counted);

  /// When the interval is over, on the monotonic clock; nothing where none is running.
  std::optional<std::int64_t> due_ns() const noexcept;

 private:
  static void report(const Counters& since, std::int64_t seconds);

  std::optional<std::int64_t> begun_ns_;
  Counters before_;  ///< when it began
};

}  // namespace influx::worker
