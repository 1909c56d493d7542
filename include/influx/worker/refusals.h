#pragma once

#include "influx/ingest/reject_table.h"
#include "influx/worker/refusal_log.h"

namespace influx::worker {

/// What a worker does with the lines that it refuses: counts all of them, and keeps or logs as many
/// as the settings allow.
class Refusals : public ingest::RefusalHandler {
 public:
  explicit Refusals(ingest::RejectTable& table) noexcept : table_(table) {}

  void refuse(const ingest::Line& line, const ingest::Origin& origin,
              const ingest::Refusal& refusal) override;

  /// Writes reports to the log that are due, or all of them where `now`.
  void flush(bool now = false);

  /// In how many milliseconds flush() may have something to say, or -1.
  long wait_time() const noexcept;

  /// The lines refused since the object was made, by ingest::RefusalKind, and all of them.
  using Counts = std::array<std::uint64_t, ingest::kRefusalKinds>;
  const Counts& counts() const noexcept { return counts_; }
  std::uint64_t refused() const noexcept;

 private:
  static constexpr std::int64_t kSecondNs = 1'000'000'000;

  bool may_keep(std::int64_t now_ns) noexcept;
  void report();
  void count_by_table(Oid table);
  void count_tables() noexcept;
  void report_in_log(const ingest::Line& line, const ingest::Origin& origin,
                     const ingest::Refusal& refusal);

  ingest::RejectTable& table_;
  RefusalLog log_;
  Counts counts_{};
  Oid last_table_ = InvalidOid;      ///< of the last line refused
  std::uint64_t of_last_table_ = 0;  ///< lines that are not counted for it yet

  std::int64_t second_ns_ = 0;  ///< when the second began for which kept_ counts
  int kept_ = 0;

  std::uint64_t unreported_ = 0;
  std::uint64_t reported_written_ = 0;
  std::uint64_t reported_dropped_ = 0;
};

}  // namespace influx::worker
