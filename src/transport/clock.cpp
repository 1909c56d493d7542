#include "influx/transport/clock.h"

#include <algorithm>
#include <ctime>

namespace influx::transport {

namespace {

std::int64_t read(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::int64_t wall_clock_ns() noexcept {
  return read(CLOCK_REALTIME);
}

std::int64_t monotonic_ns() noexcept {
  return read(CLOCK_MONOTONIC);
}

std::int64_t back_off(std::int64_t first, std::int64_t longest, int attempts) noexcept {
  std::int64_t pause = first;
  for (int attempt = 1; attempt < attempts && pause < longest; ++attempt)
    pause *= 2;
  return std::min(pause, longest);
}

}  // namespace influx::transport
