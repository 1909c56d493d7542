#include "influx/transport/clock.h"

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

}  // namespace influx::transport
