#pragma once

#include <cstdint>

namespace influx::transport {

/// Nanoseconds since the epoch. Jumps when somebody sets the clock: for timestamps only.
std::int64_t wall_clock_ns() noexcept;

/// Nanoseconds of a clock that nobody can set: for everything that waits or measures.
std::int64_t monotonic_ns() noexcept;

}  // namespace influx::transport
