#include "influx/line_protocol/scan.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>
#include <string_view>

#include "influx/line_protocol/simd.h"

namespace influx::line_protocol::testing {
namespace {

// Texts in memory that ends where they do, of all lengths around the size of a block.
template <class Check>
void for_random_texts(std::string_view alphabet, Check check) {
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::size_t size = random() % 70;
    const auto bytes = std::make_unique<char[]>(size);
    // Mostly the first letter, so that blocks without anything in them occur.
    for (std::size_t k = 0; k < size; ++k)
      bytes[k] = alphabet[random() % 8 == 0 ? random() % alphabet.size() : 0];
    check(bytes.get(), bytes.get() + size);
  }
}

template <class Block>
class Scan : public ::testing::Test {};
using Blocks = ::testing::Types<NativeBlock, PortableBlock>;
TYPED_TEST_SUITE(Scan, Blocks);

TYPED_TEST(Scan, MasksTellEachByteOfABlock) {
  constexpr std::size_t kSize = TypeParam::kSize;
  const auto marks = [](typename TypeParam::Mask mask, std::size_t index) {
    const auto one = mask >> (index * TypeParam::kBitsPerByte);
    return before<TypeParam>(one, 1 % kSize) != 0;
  };
  std::string text(kSize, 'a');
  for (int byte = 0; byte < 256; ++byte) {
    for (std::size_t i = 0; i < kSize; ++i) {
      // Neighbours that a carry or a borrow would come from or go to.
      for (const char neighbour : {'a', '\0', '\xFF', ' ', '!', '\x1F', '\x80', '\x7F'}) {
        text.assign(kSize, neighbour);
        text[i] = static_cast<char>(byte);
        const TypeParam block(text.data());
        for (std::size_t k = 0; k < kSize; ++k) {
          const auto value = static_cast<unsigned char>(text[k]);
          ASSERT_EQ(marks(block.at_most(' '), k), value <= 0x20);
          ASSERT_EQ(marks(block.high(), k), value >= 0x80);
          ASSERT_EQ(marks(block.equal('\\'), k), value == '\\');
          ASSERT_EQ(marks(block.equal('\0'), k), value == 0);
        }
      }
    }
  }
}

TYPED_TEST(Scan, SeriesEndsAtTheFirstSpaceWithoutABackslash) {
  for_random_texts("x\\ ,=\n\xC3\x01!", [](const char* at, const char* end) {
    const char* expected = nullptr;
    for (const char* p = at; p != end; ++p) {
      if (*p == ' ' && (p == at || p[-1] != '\\')) expected = p;
      if (expected != nullptr || (*p >= 0 && *p < ' ')) break;
    }
    ASSERT_EQ(find_series_end<TypeParam>(at, end), expected) << std::string(at, end);
  });
}

TYPED_TEST(Scan, StringEndsAtItsQuote) {
  for_random_texts("x\\\\\"\n\xC3\t ", [](const char* at, const char* end) {
    StringToken expected;
    const char* p = at;
    for (; p != end && *p != '"' && *p != '\0'; ++p) {
      if (*p == '\n') ++expected.line_feeds;
      if (*p < 0) expected.token.high = true;
      if (*p == '\\' && end - p > 1 && (p[1] == '"' || p[1] == '\\')) {
        expected.token.escaped = true;
        ++p;
      }
    }
    const StringToken found = scan_string<TypeParam>(at, end);
    ASSERT_EQ(found.token.end, p) << std::string(at, end);
    ASSERT_EQ(found.token.escaped, expected.token.escaped) << std::string(at, end);
    ASSERT_EQ(found.token.high, expected.token.high) << std::string(at, end);
    ASSERT_EQ(found.line_feeds, expected.line_feeds) << std::string(at, end);
  });
}

TEST(ScanPrefix, OfAllSizes) {
  const std::string text = "usage_user=58i,usage_system=2i,usage_idle=24i,usage_nice=61i,x=1";
  for (std::size_t left = 0; left <= text.size(); ++left) {
    const auto bytes = std::make_unique<char[]>(left);
    text.copy(bytes.get(), left);
    for (std::size_t size = 1; size <= text.size(); ++size) {
      std::string prefix = text.substr(0, size) + std::string(kPrefixPadding, '?');
      const char* const end = bytes.get() + left;
      ASSERT_EQ(has_prefix(bytes.get(), end, prefix.data(), size), size <= left);
      for (std::size_t i = 0; i < size; ++i) {
        prefix[i] ^= 1;
        ASSERT_FALSE(has_prefix(bytes.get(), end, prefix.data(), size));
        prefix[i] ^= 1;
      }
    }
  }
}

}  // namespace
}  // namespace influx::line_protocol::testing
