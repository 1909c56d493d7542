#include "influx/line_protocol/utf8.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace influx::line_protocol {
namespace {

// The bit pattern of `value` in `length` bytes, whether or not Unicode allows it.
std::string encode(std::uint32_t value, std::size_t length) {
  if (length == 1) return std::string(1, static_cast<char>(value));
  std::string text(length, '\0');
  for (std::size_t i = length - 1; i > 0; --i) {
    text[i] = static_cast<char>(0x80U | (value & 0x3FU));
    value >>= 6U;
  }
  text[0] = static_cast<char>((0xF00U >> length & 0xFFU) | value);
  return text;
}

std::size_t shortest(std::uint32_t value) {
  if (value < 0x80) return 1;
  if (value < 0x800) return 2;
  return value < 0x10000 ? 3 : 4;
}

TEST(Utf8, EveryCodePoint) {
  for (std::uint32_t value = 0; value <= 0x10FFFF; ++value) {
    const std::string text = encode(value, shortest(value));
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    ASSERT_EQ(valid_utf8_prefix(text), surrogate ? 0 : text.size()) << value;
  }
}

TEST(Utf8, NothingAboveTheLastCodePoint) {
  for (std::uint32_t value = 0x110000; value < 0x200000; ++value) {
    ASSERT_EQ(valid_utf8_prefix(encode(value, 4)), 0U) << value;
  }
}

TEST(Utf8, NoOverlongForms) {
  for (std::uint32_t value = 0; value < 0x10000; ++value) {
    for (std::size_t length = shortest(value) + 1; length <= 4; ++length) {
      ASSERT_EQ(valid_utf8_prefix(encode(value, length)), 0U) << value << " in " << length;
    }
  }
}

TEST(Utf8, NoSequenceIsCutShort) {
  for (const std::uint32_t value : {0x80U, 0x7FFU, 0x800U, 0xFFFFU, 0x10000U, 0x10FFFFU}) {
    const std::string text = encode(value, shortest(value));
    for (std::size_t size = 1; size < text.size(); ++size) {
      EXPECT_EQ(valid_utf8_prefix("ab" + text.substr(0, size)), 2U);
      EXPECT_EQ(valid_utf8_prefix("ab" + text.substr(0, size) + "cdef"), 2U);
      EXPECT_EQ(valid_utf8_prefix("ab" + text.substr(0, size) + text), 2U);
    }
  }
}

TEST(Utf8, BytesThatStartNothing) {
  for (int byte = 0x80; byte < 0x100; ++byte) {
    if (byte >= 0xC2 && byte <= 0xF4) continue;
    const std::string text = "a" + std::string(1, static_cast<char>(byte)) + "\x80\x80\x80\x80";
    EXPECT_EQ(valid_utf8_prefix(text), 1U) << byte;
  }
}

TEST(Utf8, PrefixEndsBeforeTheFirstBadSequence) {
  EXPECT_EQ(valid_utf8_prefix(""), 0U);
  EXPECT_EQ(valid_utf8_prefix("abc"), 3U);
  EXPECT_EQ(valid_utf8_prefix("\xC3\xA9x\xE2\x82\xAC\xFF\xC3\xA9"), 6U);
}

}  // namespace
}  // namespace influx::line_protocol
