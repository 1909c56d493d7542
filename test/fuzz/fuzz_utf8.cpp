// What is valid UTF-8, against decoding each character and encoding it again.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "influx/line_protocol/utf8.h"

namespace influx::fuzz {
namespace {

std::string encode(std::uint32_t code) {
  const auto follower = [code](unsigned shift) {
    return static_cast<char>(0x80 | (code >> shift & 0x3F));
  };
  if (code < 0x80) return {static_cast<char>(code)};
  if (code < 0x800) return {static_cast<char>(0xC0 | code >> 6), follower(0)};
  if (code < 0x10000) return {static_cast<char>(0xE0 | code >> 12), follower(6), follower(0)};
  return {static_cast<char>(0xF0 | code >> 18), follower(12), follower(6), follower(0)};
}

// The size of the character at the front of `text`, 0 if there is none: the bytes are one if the
// bits in them, put together whatever they are, give a character with just this encoding.
std::size_t character_size(std::string_view text) {
  std::uint32_t code = static_cast<unsigned char>(text[0]);
  const std::size_t size = code < 0x80 ? 1 : code < 0xE0 ? 2 : code < 0xF0 ? 3 : 4;
  if (size > 1) code &= 0xFFU >> (size + 1);
  for (std::size_t i = 1; i < size && i < text.size(); ++i)
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  const bool is_character = code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return is_character && text.substr(0, size) == encode(code) ? size : 0;
}

std::size_t valid_prefix_slowly(std::string_view text) {
  std::size_t i = 0;
  while (i < text.size()) {
    const std::size_t size = character_size(text.substr(i));
    if (size == 0) break;
    i += size;
  }
  return i;
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  // A copy that ends where its memory does, so that a sanitizer notices reading on.
  const auto bytes = std::make_unique<char[]>(size);
  std::copy_n(data, size, bytes.get());
  // From several starts, so that each byte is in many places of a block.
  for (std::size_t start = 0; start <= std::min<std::size_t>(size, 40); ++start) {
    const std::string_view text(bytes.get() + start, size - start);
    check(influx::line_protocol::valid_utf8_prefix(text) == valid_prefix_slowly(text),
          "the valid prefix");
  }
  return 0;
}
