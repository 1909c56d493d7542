#include "influx/line_protocol/precision.h"

namespace influx::line_protocol {
namespace {

constexpr std::int64_t nanoseconds_per_unit(Precision precision) noexcept {
  switch (precision) {
    case Precision::kMicrosecond:
      return 1'000;
    case Precision::kMillisecond:
      return 1'000'000;
    case Precision::kSecond:
      return 1'000'000'000;
    case Precision::kMinute:
      return 60'000'000'000;
    case Precision::kHour:
      return 3'600'000'000'000;
    case Precision::kNanosecond:
    case Precision::kAuto:
      break;
  }
  return 1;
}

constexpr bool is_below(std::int64_t timestamp, std::int64_t limit) noexcept {
  return -limit < timestamp && timestamp < limit;
}

// The limits of InfluxDB 3 (protocol: timestamp).
constexpr Precision guess(std::int64_t timestamp) noexcept {
  if (is_below(timestamp, 5'000'000'000)) return Precision::kSecond;
  if (is_below(timestamp, 5'000'000'000'000)) return Precision::kMillisecond;
  if (is_below(timestamp, 5'000'000'000'000'000)) return Precision::kMicrosecond;
  return Precision::kNanosecond;
}

}  // namespace

std::optional<Precision> precision_from_name(std::string_view name) noexcept {
  if (name == "n" || name == "ns") return Precision::kNanosecond;
  if (name == "u" || name == "us") return Precision::kMicrosecond;
  if (name == "ms") return Precision::kMillisecond;
  if (name == "s") return Precision::kSecond;
  if (name == "m") return Precision::kMinute;
  if (name == "h") return Precision::kHour;
  if (name == "auto") return Precision::kAuto;
  return std::nullopt;
}

std::string_view name_of(Precision precision) noexcept {
  switch (precision) {
    case Precision::kNanosecond:
      return "ns";
    case Precision::kMicrosecond:
      return "us";
    case Precision::kMillisecond:
      return "ms";
    case Precision::kSecond:
      return "s";
    case Precision::kMinute:
      return "m";
    case Precision::kHour:
      return "h";
    case Precision::kAuto:
      return "auto";
  }
  return "unknown";
}

std::optional<std::int64_t> scale_to_nanoseconds(std::int64_t timestamp,
                                                 Precision precision) noexcept {
  if (precision == Precision::kAuto) precision = guess(timestamp);
  std::int64_t nanoseconds = 0;
  if (__builtin_mul_overflow(timestamp, nanoseconds_per_unit(precision), &nanoseconds)) {
    return std::nullopt;
  }
  return nanoseconds;
}

}  // namespace influx::line_protocol
