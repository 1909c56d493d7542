#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {

/// The two halves of the product of `left` and `right`, folded into one word.
constexpr std::uint64_t folded_product(std::uint64_t left, std::uint64_t right) noexcept {
#ifdef __SIZEOF_INT128__
  __extension__ using Wide = unsigned __int128;
  const Wide product = Wide{left} * right;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
#else
  constexpr std::uint64_t kLow = 0xFFFFFFFFU;
  const std::uint64_t low = (left & kLow) * (right & kLow);
  const std::uint64_t cross = (left >> 32) * (right & kLow) + (low >> 32);
  const std::uint64_t other = (left & kLow) * (right >> 32) + (cross & kLow);
  const std::uint64_t high = (left >> 32) * (right >> 32) + (cross >> 32) + (other >> 32);
  return ((other << 32) | (low & kLow)) ^ high;
#endif
}

/// Mixes `word` into `hash`. Every bit of both matters to every bit of the result, the high ones to
/// the low ones too: times that are far apart do not collide in a table of few buckets. Where
/// `hash` comes of a seed that is secret, nobody can choose words that collide.
constexpr std::uint64_t mix(std::uint64_t hash, std::uint64_t word) noexcept {
  return folded_product(hash ^ word, 0x9E3779B97F4A7C15U);
}

/// A hash of all bytes of `text`, quick. Who does not know `seed` cannot make texts that collide.
/// It is not made to hide the seed from those who see hashes: show none.
inline std::uint64_t hash_of(std::string_view text, std::uint64_t seed) noexcept {
  const char* at = text.data();
  const char* const end = at + text.size();
  // Two chains, since each multiplication waits for the one before it.
  std::uint64_t even = seed;
  std::uint64_t odd = std::rotl(seed, 32) ^ 0xD6E8FEB86659FD93U;
  for (; end - at >= 16; at += 16) {
    even = mix(even, load_word(at));
    odd = mix(odd, load_word(at + 8));
  }
  if (end - at >= 8) {
    odd = mix(odd, load_word(at));
    at += 8;
  }
  // The length comes last: what is next to it is not the sender's to choose any more.
  return mix(mix(even, load_word(at, end)), odd ^ text.size());
}

/// A seed that this process has drawn at random when it was first asked for. What takes names from
/// strangers hashes with it; tests that have to be the same each time choose their own.
std::uint64_t process_hash_seed() noexcept;

/// For containers of the standard library whose keys come from strangers.
struct NameHash {
  using is_transparent = void;  // NOLINT(readability-identifier-naming)
  std::size_t operator()(std::string_view name) const noexcept {
    return static_cast<std::size_t>(hash_of(name, process_hash_seed()));
  }
};

}  // namespace influx::line_protocol
