// Timestamps, against arithmetic that is wide enough for everything.

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "fuzz/check.h"
#include "influx/line_protocol/parser.h"
#include "influx/line_protocol/precision.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;
using Wide = __int128;

constexpr Wide kBillion = 1'000'000'000;

Wide scaled(std::int64_t timestamp, Precision precision) {
  const Wide wide = timestamp;
  const Wide size = wide < 0 ? -wide : wide;
  switch (precision) {
    case Precision::kNanosecond:
      return wide;
    case Precision::kMicrosecond:
      return wide * 1000;
    case Precision::kMillisecond:
      return wide * 1000000;
    case Precision::kSecond:
      return wide * kBillion;
    case Precision::kMinute:
      return wide * 60 * kBillion;
    case Precision::kHour:
      return wide * 3600 * kBillion;
    case Precision::kAuto:
      break;
  }
  if (size < 5 * kBillion) return wide * kBillion;
  if (size < 5 * kBillion * 1000) return wide * 1000000;
  if (size < 5 * kBillion * 1000000) return wide * 1000;
  return wide;
}

void check_parser(std::int64_t timestamp, Precision precision,
                  std::optional<std::int64_t> expected) {
  const std::string line = "m v=1 " + std::to_string(timestamp);
  Parser parser(precision);
  parser.reset(line);
  const Parser::Result result = parser.next();
  if (expected) {
    check(result == Parser::Result::kPoint, "a timestamp in range is taken");
    check(parser.point().timestamp == expected, "the parser scales");
  } else {
    check(result == Parser::Result::kError, "a timestamp out of range is refused");
    check(parser.error().code == ErrorCode::kTimestampOutOfRange, "and for that");
  }
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  using Limits = std::numeric_limits<std::int64_t>;
  // Eight bytes of timestamp; one that moves it close to where the answer changes; one of
  // precision.
  if (size < 10) return 0;
  std::int64_t timestamp = 0;
  std::memcpy(&timestamp, data, sizeof timestamp);
  const auto precision = static_cast<Precision>(data[9] % 7);
  if (data[8] % 4 != 0) {
    constexpr std::int64_t kEdges[] = {5'000'000'000, 5'000'000'000'000, 5'000'000'000'000'000};
    const auto unit = static_cast<std::int64_t>(scaled(1, precision));
    const std::int64_t edge = data[8] % 4 == 1   ? Limits::max() / unit
                              : data[8] % 4 == 2 ? Limits::min() / unit
                                                 : kEdges[data[8] / 4 % 3];
    const Wide moved = Wide{edge} + timestamp % 16;
    if (moved > Limits::max() || moved < Limits::min()) return 0;
    timestamp = static_cast<std::int64_t>(data[8] >= 128 ? -moved : moved);
  }

  const Wide expected = scaled(timestamp, precision);
  const auto actual = scale_to_nanoseconds(timestamp, precision);
  const bool fits = expected >= Limits::min() && expected <= Limits::max();
  check(actual.has_value() == fits, "out of range is nothing");
  if (fits) check(*actual == expected, "the product");
  check_parser(timestamp, precision, actual);

  const Wide microseconds = floor_to_microseconds(timestamp);
  check(microseconds * 1000 <= timestamp && timestamp < (microseconds + 1) * 1000, "the floor");
  return 0;
}
