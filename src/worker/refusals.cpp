#include "influx/worker/refusals.h"

#include <numeric>

#include "influx/postgres/error.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/schema/table_counts.h"
#include "influx/transport/clock.h"

namespace influx::worker {

using postgres::Report;
using postgres::settings;
using transport::monotonic_ns;

void Refusals::refuse(const ingest::Line& line, const ingest::Origin& origin,
                      const ingest::Refusal& refusal) {
  ++counts_[static_cast<std::size_t>(ingest::kind_of(refusal))];
  count_by_table(refusal.table);
  switch (static_cast<postgres::RejectsSetting>(settings.rejects)) {
    case postgres::kRejectsOff:
      break;
    case postgres::kRejectsLog:
      report_in_log(line, origin, refusal);
      break;
    case postgres::kRejectsTable:
      ++unreported_;
      if (may_keep(monotonic_ns())) table_.keep(line, origin, refusal);
      break;
  }
}

/// Lines that are refused together are mostly of one table.
void Refusals::count_by_table(Oid table) {
  if (table != last_table_) count_tables();
  last_table_ = table;
  ++of_last_table_;
}

void Refusals::count_tables() noexcept {
  if (last_table_ != InvalidOid && of_last_table_ > 0)
    schema::count_rejects(last_table_, of_last_table_);
  of_last_table_ = 0;
}

/// The line is counted already: what stands against the message must not bring it here again.
void Refusals::report_in_log(const ingest::Line& line, const ingest::Origin& origin,
                             const ingest::Refusal& refusal) {
  try {
    postgres::guard([&] { log_.report(line, origin, refusal); });
  } catch (const postgres::ServerError&) {
    return;  // without memory for a message there is none
  }
}

std::uint64_t Refusals::refused() const noexcept {
  return std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
}

bool Refusals::may_keep(std::int64_t now_ns) noexcept {
  if (settings.max_rejects == 0) return false;
  if (now_ns - second_ns_ >= kSecondNs) {
    second_ns_ = now_ns;
    kept_ = 0;
  }
  if (kept_ >= settings.max_reject_rate) return false;
  ++kept_;
  return true;
}

void Refusals::flush(bool now) {
  count_tables();
  log_.flush(now);
  if (unreported_ > 0 && (now || monotonic_ns() >= postgres::may_report_at_ns(Report::kRefused))) {
    report();
  }
}

/// The rows tell the rest.
void Refusals::report() {
  // One at the end of the process may follow the one before at once.
  if (monotonic_ns() >= postgres::may_report_at_ns(Report::kRefused)) {
    postgres::may_report(Report::kRefused);
  }
  const std::uint64_t written =
      table_.written() - std::exchange(reported_written_, table_.written());
  const bool failed = table_.dropped() != std::exchange(reported_dropped_, table_.dropped());
  const char* name = table_.name().empty() ? "influx_rejects" : table_.name().c_str();
  ereport(WARNING,
          (errmsg("influx: %llu lines refused, %llu of them kept in table %s",
                  static_cast<unsigned long long>(std::exchange(unreported_, 0)),
                  static_cast<unsigned long long>(written), name),
           failed ? errdetail("Some could not be kept: %s.", postgres::printable(table_.failure()))
                  : 0));
}

long Refusals::wait_time() const noexcept {
  if (log_.has_more()) return RefusalLog::kIntervalMs;
  if (unreported_ == 0) return -1;
  const std::int64_t left = postgres::may_report_at_ns(Report::kRefused) - monotonic_ns();
  return static_cast<long>(std::max<std::int64_t>(0, left) / 1000000 + 1);
}

}  // namespace influx::worker
