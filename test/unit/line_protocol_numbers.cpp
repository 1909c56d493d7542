#include "influx/line_protocol/number.h"

#include <cmath>
#include <limits>

#include "line_protocol_testing.h"

namespace influx::line_protocol::testing {
namespace {

using Floats = std::numeric_limits<double>;

TEST(Numbers, FloatForms) {
  EXPECT_EQ(float_of("1"), 1.0);
  EXPECT_EQ(float_of("-1"), -1.0);
  EXPECT_EQ(float_of("1."), 1.0);
  EXPECT_EQ(float_of("1.5"), 1.5);
  EXPECT_EQ(float_of(".5"), 0.5);
  EXPECT_EQ(float_of("-.5"), -0.5);
  EXPECT_EQ(float_of("-1."), -1.0);
  EXPECT_EQ(float_of("007"), 7.0);
  EXPECT_EQ(float_of("1e3"), 1000.0);
  EXPECT_EQ(float_of("1E3"), 1000.0);
  EXPECT_EQ(float_of("1e+3"), 1000.0);
  EXPECT_EQ(float_of("1e-3"), 0.001);
  EXPECT_EQ(float_of("1.e3"), 1000.0);
  EXPECT_EQ(float_of(".5e1"), 5.0);
  EXPECT_EQ(float_of("1.5E-007"), 1.5e-7);
  EXPECT_EQ(float_of("12345678901234567890"), 12345678901234567890.0);
}

TEST(Numbers, FloatsAreTheNearest) {
  EXPECT_EQ(float_of("0.1"), 0.1);
  EXPECT_EQ(float_of("9007199254740993"), 9007199254740992.0);
  EXPECT_EQ(float_of("2.2250738585072011e-308"), 2.2250738585072011e-308);
  EXPECT_EQ(float_of("1.7976931348623157e308"), Floats::max());
  EXPECT_EQ(float_of("1.7976931348623158e308"), Floats::max());
  EXPECT_EQ(float_of("5e-324"), Floats::denorm_min());
  EXPECT_EQ(float_of("2.4703282292062328e-324"), Floats::denorm_min());
  EXPECT_EQ(float_of("1" + std::string(308, '0')), 1e308);
  EXPECT_EQ(float_of("0." + std::string(400, '0') + "1e400"), 0.1);
  EXPECT_EQ(float_of("1" + std::string(400, '0') + "e-400"), 1.0);
}

TEST(Numbers, FloatOverflowIsAnError) {
  for (const std::string& literal :
       {std::string("1e400"), std::string("-1e400"), std::string("1e309"), std::string("1.8e308"),
        std::string("1.7976931348623159e308"), std::string("1e99999999999999999999"),
        "1" + std::string(400, '0'), "1" + std::string(400, '0') + ".5",
        "0." + std::string(50, '0') + "1e400", std::string(".1e9223372036854775807"),
        std::string("10e9223372036854775807")}) {
    expect_refused("m v=" + literal, ErrorCode::kFloatOutOfRange, 4);
  }
}

TEST(Numbers, FloatUnderflowIsAZeroOfTheSignSent) {
  for (const std::string& literal :
       {std::string("1e-400"), std::string("2e-324"), std::string("1e-99999999999999999999"),
        "." + std::string(400, '0') + "1", "10" + std::string(50, '0') + "e-400",
        std::string("1e-9223372036854775807"), std::string("0e999"), std::string("0e-999"),
        std::string("0.000e99999999999999999999"), std::string("0"), std::string("0.")}) {
    EXPECT_EQ(float_of(literal), 0.0);
    EXPECT_FALSE(std::signbit(float_of(literal))) << literal;
    EXPECT_EQ(float_of("-" + literal), 0.0);
    EXPECT_TRUE(std::signbit(float_of("-" + literal))) << literal;
  }
}

TEST(Numbers, IntegerUpToTheLimits) {
  const auto integer_of = [](std::string_view literal) {
    const OwnedField field = value_of(literal);
    EXPECT_EQ(field.type, ValueType::kInteger) << literal;
    return static_cast<std::int64_t>(field.bits);
  };
  EXPECT_EQ(integer_of("0i"), 0);
  EXPECT_EQ(integer_of("-0i"), 0);
  EXPECT_EQ(integer_of("1i"), 1);
  EXPECT_EQ(integer_of("-1i"), -1);
  EXPECT_EQ(integer_of("007i"), 7);
  EXPECT_EQ(integer_of("-" + std::string(100, '0') + "7i"), -7);
  EXPECT_EQ(integer_of("9223372036854775807i"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(integer_of("-9223372036854775808i"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(integer_of("0009223372036854775807i"), std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(integer_of("-0009223372036854775808i"), std::numeric_limits<std::int64_t>::min());
  for (const std::string literal :
       {"9223372036854775808i", "-9223372036854775809i", "9999999999999999999i",
        "-9999999999999999999i", "10000000000000000000i", "18446744073709551616i",
        "99999999999999999999999999999999999999999i"}) {
    expect_refused("m v=" + literal, ErrorCode::kIntegerOutOfRange, 4);
  }
}

TEST(Numbers, UnsignedUpToTheLimit) {
  const auto unsigned_of = [](std::string_view literal) {
    const OwnedField field = value_of(literal);
    EXPECT_EQ(field.type, ValueType::kUnsigned) << literal;
    return field.bits;
  };
  EXPECT_EQ(unsigned_of("0u"), 0U);
  EXPECT_EQ(unsigned_of("007u"), 7U);
  EXPECT_EQ(unsigned_of("9223372036854775808u"), 9223372036854775808U);
  EXPECT_EQ(unsigned_of("18446744073709551615u"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(unsigned_of("00018446744073709551615u"), std::numeric_limits<std::uint64_t>::max());
  expect_refused("m v=18446744073709551616u", ErrorCode::kUnsignedOutOfRange, 4);
  expect_refused("m v=99999999999999999999999u", ErrorCode::kUnsignedOutOfRange, 4);
}

TEST(Numbers, NoNumbersOfOtherKinds) {
  for (const std::string literal :
       {"+1",   "+1i",  ".",         "-",      "-.",  "-i",    "-u",         "1e",        "1e+",
        "1e-",  ".e1",  "1.2.3",     "1-2",    "--1", "-0u",   "-1u",        "1.5i",      "1.i",
        "1e5i", "1.5u", "1e5u",      "1ii",    "1iu", "1I",    "1U",         "1d",        "1f",
        "1L",   "0x10", "0x1p4",     "0b1",    "0i1", "1_000", "1'000",      "1e1.5",     "1e1e1",
        "-NaN", "-inf", "-Infinity", "1\"2\"", "1s",  "12:30", "2020-01-01", "1\xC3\xA9", "\xFF"}) {
    const ErrorCode code =
        literal == "\xFF" ? ErrorCode::kInvalidFieldValue : ErrorCode::kInvalidNumber;
    expect_refused("m v=" + literal, code, 4);
  }
  for (const std::string literal :
       {"NaN", "nan", "NAN", "Inf", "inf", "INF", "infinity", "null", "i", "u", "e5", "yes", "no",
        "abc", "'a'", "`a`", "(1)", "$1", "#1"}) {
    expect_refused("m v=" + literal, ErrorCode::kInvalidFieldValue, 4);
  }
}

TEST(Numbers, TextIsTheLiteralWithoutItsSuffix) {
  EXPECT_EQ(value_of("-01.50e+01").text, "-01.50e+01");
  EXPECT_EQ(value_of("-007i").text, "-007");
  EXPECT_EQ(value_of("42u").text, "42");
  EXPECT_EQ(value_of("True").text, "True");
}

TEST(Numbers, Booleans) {
  for (const char* literal : {"t", "T", "true", "True", "TRUE"}) {
    EXPECT_EQ(value_of(literal).type, ValueType::kBoolean);
    EXPECT_EQ(value_of(literal).bits, 1U) << literal;
  }
  for (const char* literal : {"f", "F", "false", "False", "FALSE"}) {
    EXPECT_EQ(value_of(literal).type, ValueType::kBoolean);
    EXPECT_EQ(value_of(literal).bits, 0U) << literal;
  }
  for (const std::string literal : {"tRUE", "tr", "tt", "trues", "TRue", "fALSE", "ff", "fals",
                                    "Falsey", "t1", "f\"\"", "true\"", "FALSe"}) {
    expect_refused("m v=" + literal, ErrorCode::kInvalidBoolean, 4);
  }
}

TEST(Numbers, RecogniserLooksAtTheWholeToken) {
  EXPECT_EQ(recognise_number("1"), NumberKind::kFloat);
  EXPECT_EQ(recognise_number("1i"), NumberKind::kInteger);
  EXPECT_EQ(recognise_number("1u"), NumberKind::kUnsigned);
  EXPECT_EQ(recognise_number(""), NumberKind::kNone);
  EXPECT_EQ(recognise_number(" 1"), NumberKind::kNone);
  EXPECT_EQ(recognise_number("1 "), NumberKind::kNone);
  EXPECT_EQ(recognise_number(std::string_view("1\0", 2)), NumberKind::kNone);
  EXPECT_TRUE(is_decimal_integer("-12"));
  EXPECT_FALSE(is_decimal_integer(""));
  EXPECT_FALSE(is_decimal_integer("-"));
  EXPECT_FALSE(is_decimal_integer("1-"));
  EXPECT_FALSE(is_decimal_integer("+1"));
}

}  // namespace
}  // namespace influx::line_protocol::testing
