#include "influx/worker/summary_log.h"

#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"

namespace influx::worker {

using postgres::settings;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

/// Whether the counters tell that something was done.
bool is_something(const Counters& since) noexcept {
  return since.datagrams > 0 || since.lines > 0 || since.stored > 0 || since.rejected_lines() > 0 ||
         since.kernel_drops > 0 || since.truncated > 0 || since.filtered > 0;
}

}  // namespace

std::optional<std::int64_t> SummaryLog::due_ns() const noexcept {
  if (!begun_ns_.has_value()) return std::nullopt;
  return *begun_ns_ + settings.log_interval * kNsPerSecond;
}

bool SummaryLog::is_due() const noexcept {
  if (settings.log_interval == 0) return begun_ns_.has_value();
  return !begun_ns_.has_value() || monotonic_ns() >= *due_ns();
}

void SummaryLog::flush(const Counters& counted) {
  if (settings.log_interval == 0) {
    begun_ns_.reset();
    return;
  }
  const std::int64_t now_ns = monotonic_ns();
  if (begun_ns_.has_value()) {
    const Counters since = counted - before_;
    if (is_something(since)) report(since, (now_ns - *begun_ns_ + kNsPerSecond / 2) / kNsPerSecond);
  }
  begun_ns_ = now_ns;
  before_ = counted;
}

void SummaryLog::report(const Counters& since, std::int64_t seconds) {
  const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  ereport(LOG,
          (errmsg("influx: in the last %lld s: %llu datagrams received, %llu lines, %llu points "
                  "stored, %llu lines refused, %llu datagrams lost, %llu datagrams turned away; "
                  "%llu lines waiting",
                  static_cast<long long>(seconds), number(since.datagrams), number(since.lines),
                  number(since.stored), number(since.rejected_lines()),
                  number(since.kernel_drops + since.truncated), number(since.filtered),
                  number(since.waiting))));
}

}  // namespace influx::worker
