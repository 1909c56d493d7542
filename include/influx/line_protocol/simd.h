#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#if !defined(INFLUX_PORTABLE) && defined(__SSE2__)
#define INFLUX_SSE2 1
#include <emmintrin.h>
#elif !defined(INFLUX_PORTABLE) && defined(__aarch64__) && defined(__ARM_NEON)
#define INFLUX_NEON 1
#include <arm_neon.h>
#endif

namespace influx::line_protocol {

// Looking at several bytes at once. A block is kSize bytes of the input; asking something of all of
// them gives a mask with kBitsPerByte bits for each, the first byte in the lowest bits. Both units
// have the same names, so that what is written for one runs on the other. INFLUX_PORTABLE leaves
// the instructions of the processor out, for tests and for processors not known here.

/// The eight bytes at `at` as a number whose lowest byte is the first, whatever the processor.
inline std::uint64_t load_word(const char* at) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

/// The same where the input ends within the eight bytes: what is missing is zero.
inline std::uint64_t load_word(const char* at, const char* end) noexcept {
  if (end - at >= 8) [[likely]]
    return load_word(at);
  std::uint64_t word = 0;
  for (unsigned shift = 0; at != end; ++at, shift += 8)
    word |= std::uint64_t{static_cast<unsigned char>(*at)} << shift;
  return word;
}

/// Eight bytes in a general register.
class PortableBlock {
 public:
  using Mask = std::uint64_t;
  static constexpr std::size_t kSize = 8;
  static constexpr unsigned kBitsPerByte = 8;

  explicit PortableBlock(const char* at) noexcept : bytes_(load_word(at)) {}

  /// Bytes equal to `byte`.
  Mask equal(char byte) const noexcept {
    const std::uint64_t difference = bytes_ ^ (kOnes * static_cast<unsigned char>(byte));
    return ~((difference & ~kHighs) + ~kHighs) & ~difference & kHighs;
  }
  /// Bytes up to and with `byte`, unsigned. REQUIRES: an ASCII byte.
  Mask at_most(char byte) const noexcept {
    const std::uint64_t above = kOnes * (0x7FU - static_cast<unsigned char>(byte));
    return ~((bytes_ & ~kHighs) + above) & ~bytes_ & kHighs;
  }
  /// Bytes that are not ASCII.
  Mask high() const noexcept { return bytes_ & kHighs; }

 private:
  static constexpr std::uint64_t kOnes = 0x0101010101010101U;
  static constexpr std::uint64_t kHighs = 0x8080808080808080U;

  std::uint64_t bytes_;
};

#if defined(INFLUX_SSE2)

/// Sixteen bytes in a vector register of x86-64.
class NativeBlock {
 public:
  using Mask = std::uint32_t;
  static constexpr std::size_t kSize = 16;
  static constexpr unsigned kBitsPerByte = 1;

  explicit NativeBlock(const char* at) noexcept
      : bytes_(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))) {}

  Mask equal(char byte) const noexcept {
    return mask_of(_mm_cmpeq_epi8(bytes_, _mm_set1_epi8(byte)));
  }
  Mask at_most(char byte) const noexcept {
    return mask_of(_mm_cmpeq_epi8(_mm_min_epu8(bytes_, _mm_set1_epi8(byte)), bytes_));
  }
  Mask high() const noexcept { return mask_of(bytes_); }

 private:
  static Mask mask_of(__m128i bytes) noexcept {
    return static_cast<Mask>(_mm_movemask_epi8(bytes));
  }

  __m128i bytes_;
};

#elif defined(INFLUX_NEON)

/// Sixteen bytes in a vector register of arm64. It has no instruction that gathers one bit of each
/// byte; narrowing by four bits gives four.
class NativeBlock {
 public:
  using Mask = std::uint64_t;
  static constexpr std::size_t kSize = 16;
  static constexpr unsigned kBitsPerByte = 4;

  explicit NativeBlock(const char* at) noexcept
      : bytes_(vld1q_u8(reinterpret_cast<const std::uint8_t*>(at))) {}

  Mask equal(char byte) const noexcept {
    return mask_of(vceqq_u8(bytes_, vdupq_n_u8(static_cast<std::uint8_t>(byte))));
  }
  Mask at_most(char byte) const noexcept {
    return mask_of(vcleq_u8(bytes_, vdupq_n_u8(static_cast<std::uint8_t>(byte))));
  }
  Mask high() const noexcept { return mask_of(vcgeq_u8(bytes_, vdupq_n_u8(0x80))); }

 private:
  // One bit for each byte, the lowest of its four, so that bits can be counted.
  static Mask mask_of(uint8x16_t bytes) noexcept {
    const uint8x8_t nibbles = vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4);
    return vget_lane_u64(vreinterpret_u64_u8(nibbles), 0) & 0x1111111111111111U;
  }

  uint8x16_t bytes_;
};

#else

using NativeBlock = PortableBlock;

#endif

/// The index in its block of the first byte that `mask` names. REQUIRES: it names one.
template <class Block>
inline std::size_t first_in(typename Block::Mask mask) noexcept {
  return static_cast<std::size_t>(std::countr_zero(mask)) / Block::kBitsPerByte;
}

/// What of `mask` is about the bytes before the one with `index`, which is below the block's size.
template <class Block>
inline typename Block::Mask before(typename Block::Mask mask, std::size_t index) noexcept {
  using Mask = typename Block::Mask;
  return mask & ((Mask{1} << (index * Block::kBitsPerByte)) - 1);
}

/// As many bytes has_prefix() may read of a prefix, even if the prefix is shorter.
inline constexpr std::size_t kPrefixPadding = 32;

/// Whether the input begins with `size` bytes at `prefix`. REQUIRES: kPrefixPadding bytes can be
/// read at `prefix`, or `size` if that is more; one byte or more is to be compared.
inline bool has_prefix(const char* at, const char* end, const char* prefix,
                       std::size_t size) noexcept {
  const auto left = static_cast<std::size_t>(end - at);
  if (size <= kPrefixPadding && left >= kPrefixPadding) [[likely]] {
#if defined(INFLUX_SSE2)
    const auto load = [](const char* from) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    };
    const auto equal = [&load](const char* left_at, const char* right_at) {
      return static_cast<std::uint32_t>(
          _mm_movemask_epi8(_mm_cmpeq_epi8(load(left_at), load(right_at))));
    };
    const std::uint32_t same = equal(at, prefix) | equal(at + 16, prefix + 16) << 16;
    return (~same << (kPrefixPadding - size)) == 0;
#else
    for (; size > 8; size -= 8, at += 8, prefix += 8) {
      if (load_word(at) != load_word(prefix)) return false;
    }
    return (load_word(at) ^ load_word(prefix)) << (64 - 8 * size) == 0;
#endif
  }
  return left >= size && std::memcmp(at, prefix, size) == 0;
}

}  // namespace influx::line_protocol
