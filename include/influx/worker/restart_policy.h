#pragma once

#include <cstdint>

namespace influx::worker {

// When a listener that has failed is started again.

/// The longest time between two attempts, unless influx.restart_time is longer.
inline constexpr int kLongestRestartTime = 300;  // seconds

/// A listener that has run for so long has recovered: its next failure counts as the first.
inline constexpr int kRecoveredAfter = 60;  // seconds

/// Whether an error met at a restart is one of the moment. Else the next restart would meet it
/// again: what the listener was launched for is not there any more, or not allowed any more.
bool may_pass(int sqlstate) noexcept;

/// Seconds to wait before the listener is started again, after so many failures in a row (1 for the
/// first): `restart_time`, doubled with each failure.
int seconds_to_restart(int failures, int restart_time) noexcept;

/// The same for a supervised listener that has failed with `sqlstate`: after an error that does not
/// pass, too, it is tried again, since the supervisor is not told of everything that may help. -1
/// where it waits until it is told so.
int seconds_to_supervised_restart(int failures, int restart_time, int sqlstate) noexcept;

}  // namespace influx::worker
