#pragma once

#include "influx/postgres/server.h"

namespace influx::ingest {

/// Tells whether the process has taken more memory than `influx.max_memory` allows, beyond what it
/// had when this was made.
///
/// Measuring costs too much to be done for each row. Who takes memory says about how much, and only
/// where that has come to something it is measured what the process really has; so nothing that was
/// not thought of stays out of the account. Plain data.
class MemoryBudget {
 public:
  MemoryBudget() noexcept;

  /// Says that about so many bytes were taken.
  void spend(std::size_t bytes) noexcept { spent_ += bytes; }

  /// Whether there is too much by now. Once that is so, it is until settle().
  bool is_exceeded() noexcept {
    if (!exceeded_ && spent_ >= step()) measure();
    return exceeded_;
  }

  /// What the process has now, beyond what it had at first.
  std::size_t measure() noexcept;

  /// To what all that can be made again is to be reduced, where the budget is exceeded.
  static std::size_t low_water() noexcept { return limit() / 4 * 3; }

  /// Says that as much was given back as can be. What is left is no reason to stop: a part of the
  /// budget is there for the next lines in any case.
  void settle() noexcept;

  /// Bytes that others account for, as lines that wait: they do not count here.
  void set_aside(std::size_t bytes) noexcept { aside_ = bytes; }

  /// `influx.max_memory` in bytes.
  static std::size_t limit() noexcept;

 private:
  /// How much may be spent before it is measured.
  static std::size_t step() noexcept { return limit() / 32; }

  std::size_t at_first_;
  std::size_t aside_ = 0;
  std::size_t spent_ = 0;  ///< since it was measured
  std::size_t extra_ = 0;  ///< allowed beyond the limit, see settle()
  bool exceeded_ = false;
};

}  // namespace influx::ingest
