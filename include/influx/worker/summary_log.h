#pragma once

#include "influx/worker/counters.h"

namespace influx::worker {

/// Logs every `influx.log_interval` what a listener has done since the last time, if that is on and
/// it has done anything.
class SummaryLog {
 public:
  /// Logs what was counted since the interval began, once that is over. `counted` is what the
  /// process has counted so far. May raise.
  void flush(const Counters& counted);

  /// When the interval is over, on the monotonic clock; nothing where none is running.
  std::optional<std::int64_t> due_ns() const noexcept;

 private:
  void report(const Counters& counted, std::int64_t now_ns) const;

  std::optional<std::int64_t> begun_ns_;
  Counters before_;  ///< when it began
};

}  // namespace influx::worker
