#include "influx/line_protocol/short_number.h"

#include <bit>
#include <memory>
#include <random>

#include "influx/line_protocol/number.h"
#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

// Reads `text` up to `size` with what is behind it, and once more in memory that ends there.
const char* read(const std::string& text, FieldValue& value) {
  return read_short_number(text.data(), text.data() + text.size(), value);
}

bool is_short(const std::string& text) {
  FieldValue value;
  return read(text, value) != nullptr;
}

// Both ways of reading give the same bits, whatever ends the token.
void expect_same(const std::string& token) {
  FieldValue expected;
  ASSERT_EQ(read_number(token, expected), ErrorCode::kNone) << token;
  for (const char* behind : {"", ",", " ", "\n", ",usage_user=58i", " 1451606400000000000"}) {
    const std::string text = token + behind;
    const auto bytes = std::make_unique<char[]>(text.size());
    text.copy(bytes.get(), text.size());
    FieldValue value;
    const char* const end = read_short_number(bytes.get(), bytes.get() + text.size(), value);
    ASSERT_EQ(end, bytes.get() + token.size()) << text;
    ASSERT_EQ(value.type, expected.type) << text;
    ASSERT_EQ(value.as_unsigned, expected.as_unsigned) << text;
    ASSERT_EQ(value.text, expected.text) << text;
  }
}

TEST(ShortNumber, IntegersOfEachLength) {
  std::string digits;
  for (int i = 1; i <= 18; ++i) {
    digits += static_cast<char>('0' + i % 10);
    for (const char* sign : {"", "-"}) {
      expect_same(sign + digits + "i");
      expect_same(sign + std::string(digits.size(), '0') + "i");
      expect_same(sign + std::string(digits.size(), '9') + "i");
    }
    expect_same(digits + "u");
  }
  expect_same("9223372036854775807i");
  expect_same("-9223372036854775808i");
  expect_same("9999999999999999999u");
}

TEST(ShortNumber, FloatsOfEachLength) {
  const std::string digits = "123456789012345";
  for (std::size_t whole = 1; whole <= digits.size(); ++whole) {
    for (std::size_t size = whole; size <= digits.size(); ++size) {
      const std::string token = digits.substr(0, whole) + "." + digits.substr(whole, size - whole);
      expect_same(token);
      expect_same("-" + token);
    }
    expect_same(digits.substr(0, whole));
  }
  for (const char* token : {"0", "-0", "0.0", "-0.", "-0.000", "0.1", "0.000000000000000001",
                            "9007199254740992", "9007199254740.991", "00000000000000001.5"}) {
    expect_same(token);
  }
}

TEST(ShortNumber, FloatsAreTheNearest) {
  std::mt19937_64 random(11);
  for (int i = 0; i < 200'000; ++i) {
    std::string token = std::to_string(random() % (std::uint64_t{1} << (1 + random() % 53)));
    token.insert(random() % token.size() + 1, ".");
    if (token.size() > 20) continue;
    FieldValue value;
    double expected = 0;
    ASSERT_EQ(convert_float(token, expected), ErrorCode::kNone);
    ASSERT_NE(read(token, value), nullptr) << token;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(value.as_float), std::bit_cast<std::uint64_t>(expected))
        << token;
  }
}

TEST(ShortNumber, LeavesWhatIsLongOddOrWrong) {
  for (const char* text : {"",
                           "-",
                           ".",
                           "-.",
                           ".5",
                           "1e5",
                           "1.5e5",
                           "i",
                           "-i",
                           "u",
                           "1u1",
                           "-1u",
                           "1ii",
                           "1i1",
                           "1.i",
                           "1.5i",
                           "1.2.3",
                           "--1",
                           "+1",
                           "1-",
                           "1 ",
                           "t",
                           "\"1\"",
                           "1\r",
                           "1\t",
                           "1i\r",
                           "1\\",
                           "1=",
                           "10000000000000000000i",
                           "9223372036854775808i",
                           "-9223372036854775809i",
                           "00000000000000000000",
                           "9007199254740993",
                           "0.12345678901234567",
                           "1:",
                           "1/",
                           "1\xB0",
                           "\xB1",
                           "1i\xAC",
                           "1i;",
                           "1il",
                           "1i\x6C"}) {
    const std::string_view view = text;
    EXPECT_EQ(is_short(text), view == "1 ") << text;
  }
  EXPECT_FALSE(is_short(std::string("1\0", 2)));
  EXPECT_FALSE(is_short(std::string("1i\0", 3)));
}

TEST(ShortNumber, DigitsAreCountedUpToTheFirstOther) {
  for (int byte = 0; byte < 256; ++byte) {
    const bool is_digit = byte >= '0' && byte <= '9';
    for (unsigned i = 0; i < 8; ++i) {
      for (const char behind : {'0', '9', '/', ':', '\0', '\xFF', '\x80'}) {
        std::string text(8, '9');
        text[i] = static_cast<char>(byte);
        for (unsigned k = i + 1; k < 8; ++k)
          text[k] = behind;
        const unsigned count = count_digits(load_word(text.data()));
        const bool more = behind == '0' || behind == '9';
        ASSERT_EQ(count, !is_digit ? i : more ? 8U : i + 1) << text;
      }
    }
  }
}

}  // namespace
}  // namespace influx::line_protocol::testing
