#pragma once

#include "influx/ingest/refusal.h"

namespace influx::worker {

/// Counts the lines that a worker refuses, and writes them to the server log at a bounded rate: a
/// sender must not be able to fill the log.
class RefusalLog : public ingest::RefusalHandler {
 public:
  /// Lines reported in each interval; the others are counted, and their number is logged.
  static constexpr int kMostPerInterval = 10;
  static constexpr int kIntervalMs = 1000;

  void refuse(const ingest::Line& line, const ingest::Origin& origin,
              const ingest::Refusal& refusal) override;

  /// Counts and reports datagrams that were lost as a whole.
  void lose(std::uint64_t datagrams, const char* reason);

  /// Logs how many reports were left out, once the interval is over or where `now` is set.
  void flush(bool now = false);

  /// Whether flush() has something to say when the interval is over.
  bool has_more() const noexcept { return left_out_ > 0; }

  /// The lines refused, by ingest::RefusalKind.
  using Counts = std::array<std::uint64_t, ingest::kRefusalKinds>;
  const Counts& counts() const noexcept { return counts_; }
  /// Goes back to what counts() was before: the lines counted since then are read again.
  void restore(const Counts& counts) noexcept { counts_ = counts; }

 private:
  bool may_report();

  Counts counts_{};
  std::uint64_t left_out_ = 0;
  int reported_ = 0;
  TimestampTz interval_start_ = 0;
};

}  // namespace influx::worker
