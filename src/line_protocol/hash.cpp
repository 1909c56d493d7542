#include "influx/line_protocol/hash.h"

#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace influx::line_protocol {
namespace {

std::uint64_t draw_seed() noexcept {
  std::uint64_t seed = 0;
  for (;;) {
    const ssize_t size = getrandom(&seed, sizeof seed, GRND_NONBLOCK);
    if (size == static_cast<ssize_t>(sizeof seed)) return seed;
    if (size < 0 && errno == EINTR) continue;
    break;
  }
  // A machine that has just been started may have nothing random yet. What takes its place is hard
  // to guess from outside, which is better than to wait.
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  seed = mix(seed, static_cast<std::uint64_t>(now));
  seed = mix(seed, static_cast<std::uint64_t>(getpid()));
  return mix(seed, reinterpret_cast<std::uintptr_t>(&seed));
}

}  // namespace

std::uint64_t process_hash_seed() noexcept {
  static const std::uint64_t seed = draw_seed();
  return seed;
}

}  // namespace influx::line_protocol
