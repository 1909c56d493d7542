#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "influx/transport/clock.h"

namespace influx::transport {

/// Lets through one report of a kind in kIntervalNs, and counts the others, so that their number
/// can be told. What is sent cannot write a log full.
///
/// Kinds are numbers below kMostKinds. Times are nanoseconds of the monotonic clock.
class ReportGate {
 public:
  static constexpr std::size_t kMostKinds = 16;
  static constexpr std::int64_t kIntervalNs = 10 * kNsPerSecond;

  /// Whether a report of this kind may be made now. If so it counts as made, else as left out.
  bool pass(std::size_t kind, std::int64_t now_ns) noexcept;

  /// When the next report of this kind may be made; a time that is over where one may be now.
  std::int64_t opens_at_ns(std::size_t kind) const noexcept;

  /// When the number of reports left out can be told for some kind; nothing where none was left
  /// out.
  std::optional<std::int64_t> due_ns() const noexcept;

  /// The reports of one kind that were left out.
  struct LeftOut {
    std::size_t kind = 0;
    std::uint64_t count = 0;
  };

  /// A kind whose number can be told now, or any that has one where `all`; the number is set to
  /// zero, and telling it counts as a report of the kind.
  std::optional<LeftOut> take_left_out(std::int64_t now_ns, bool all) noexcept;

 private:
  struct Kind {
    bool used = false;
    std::int64_t last_ns = 0;
    std::uint64_t left_out = 0;
  };
  std::array<Kind, kMostKinds> kinds_{};
};

}  // namespace influx::transport
