#pragma once

#include <cstdint>

namespace influx::transport {

inline constexpr std::int64_t kNsPerUs = 1'000;
inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// Nanoseconds since the epoch. Jumps when somebody sets the clock: for timestamps only.
std::int64_t wall_clock_ns() noexcept;

/// Nanoseconds of a clock that nobody can set: for everything that waits or measures.
std::int64_t monotonic_ns() noexcept;

/// The pause after so many attempts that failed: `first` after the first of them, after each
/// further one twice the pause before, and never more than `longest`. In the unit of these.
std::int64_t back_off(std::int64_t first, std::int64_t longest, int attempts) noexcept;

}  // namespace influx::transport
