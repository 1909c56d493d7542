#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {

/// Mixes `word` into `hash`.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  const std::uint64_t product = (hash ^ word) * 0x9E3779B97F4A7C15U;
  return product ^ (product >> 32);
}

/// A hash of all bytes of `text`, quick and with no secret: who wants can make texts that collide,
/// so whoever uses it must bound what a collision costs.
inline std::uint64_t hash_of(std::string_view text) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  // Two chains, since each multiplication waits for the one before it.
  std::uint64_t even = text.size();
  std::uint64_t odd = 0xD6E8FEB86659FD93U;
  for (; end - at >= 16; at += 16) {
    even = mix(even, load_word(at));
    odd = mix(odd, load_word(at + 8));
  }
  if (end - at >= 8) {
    odd = mix(odd, load_word(at));
    at += 8;
  }
  return mix(mix(even, load_word(at, end)), odd);
}

}  // namespace influx::line_protocol
