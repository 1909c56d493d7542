#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace influx::line_protocol {

/// The unit of a timestamp as sent. A point without a timestamp is never scaled.
enum class Precision : std::uint8_t {
  kNanosecond,
  kMicrosecond,
  kMillisecond,
  kSecond,
  kMinute,
  kHour,
  kAuto,  ///< decided for each timestamp by its magnitude, see scale_to_nanoseconds()
};

/// The precision called `name`: `n`, `ns`, `u`, `us`, `ms`, `s`, `m`, `h` or `auto`, in lower case,
/// as InfluxDB 1.x and 2.x name them; nothing for any other name.
std::optional<Precision> precision_from_name(std::string_view name) noexcept;

/// The canonical name of `precision`; precision_from_name() takes it back.
std::string_view name_of(Precision precision) noexcept;

/// Converts a timestamp in units of `precision` since the epoch to nanoseconds.
/// With Precision::kAuto a magnitude below 5e9 is read as seconds, below 5e12 as milliseconds,
/// below 5e15 as microseconds, and nanoseconds otherwise (as InfluxDB 3 guesses).
/// Returns nothing where the result does not fit 64 bits; never wraps.
std::optional<std::int64_t> scale_to_nanoseconds(std::int64_t timestamp,
                                                 Precision precision) noexcept;

/// Nanoseconds to microseconds, rounding towards minus infinity: -1 ns is -1 us.
constexpr std::int64_t floor_to_microseconds(std::int64_t nanoseconds) noexcept {
  const std::int64_t quotient = nanoseconds / 1000;
  return nanoseconds % 1000 < 0 ? quotient - 1 : quotient;
}

}  // namespace influx::line_protocol
