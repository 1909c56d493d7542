#include "influx/line_protocol/utf8.h"

#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {
namespace {

// What the Unicode standard allows behind a lead byte: how many bytes follow, and the range of the
// first of them, which is where overlong forms, surrogates and too large values are told. The
// others are 0x80-0xBF.
struct Sequence {
  std::size_t followers = 0;  // 0: no sequence starts with this byte
  unsigned lowest = 0x80;
  unsigned highest = 0xBF;
};

Sequence sequence_of(unsigned lead) noexcept {
  if (lead < 0xC2) return {};  // a follower, or an overlong form of ASCII
  if (lead < 0xE0) return {1};
  if (lead == 0xE0) return {2, 0xA0};
  if (lead == 0xED) return {2, 0x80, 0x9F};
  if (lead < 0xF0) return {2};
  if (lead == 0xF0) return {3, 0x90};
  if (lead < 0xF4) return {3};
  if (lead == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

unsigned byte_at(std::string_view text, std::size_t index) noexcept {
  return static_cast<unsigned char>(text[index]);
}

// How many bytes of the beginning are ASCII, or fewer: the caller looks at single bytes itself.
std::size_t ascii_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  for (; text.size() - i >= NativeBlock::kSize; i += NativeBlock::kSize) {
    const auto high = NativeBlock(text.data() + i).high();
    if (high != 0) return i + first_in<NativeBlock>(high);
  }
  return i;
}

}  // namespace

std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    const unsigned lead = byte_at(text, i);
    if (lead < 0x80) {
      ++i;
      i += ascii_prefix(text.substr(i));
      continue;
    }
    const Sequence sequence = sequence_of(lead);
    if (sequence.followers == 0 || text.size() - i <= sequence.followers) return i;
    const unsigned first = byte_at(text, i + 1);
    if (first < sequence.lowest || first > sequence.highest) return i;
    for (std::size_t k = 2; k <= sequence.followers; ++k) {
      if ((byte_at(text, i + k) & 0xC0U) != 0x80U) return i;
    }
    i += sequence.followers + 1;
  }
  return i;
}

}  // namespace influx::line_protocol
