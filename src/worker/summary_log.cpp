#include "influx/worker/summary_log.h"

#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"

namespace influx::worker {

namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// What of the counters tells that something was done.
bool has_changed(const Counters& counted, const Counters& before) noexcept {
  return counted.datagrams != before.datagrams || counted.lines != before.lines ||
         counted.stored != before.stored || counted.rejected != before.rejected ||
         counted.kernel_drops != before.kernel_drops || counted.truncated != before.truncated ||
         counted.filtered != before.filtered;
}

}  // namespace

std::optional<std::int64_t> SummaryLog::due_ns() const noexcept {
  if (!begun_ns_.has_value()) return std::nullopt;
  return *begun_ns_ + postgres::settings.log_interval * kNsPerSecond;
}

void SummaryLog::flush(const Counters& counted) {
  const std::int64_t now_ns = transport::monotonic_ns();
  if (postgres::settings.log_interval == 0) {
    begun_ns_.reset();
    return;
  }
  if (begun_ns_.has_value()) {
    if (now_ns < *due_ns()) return;
    if (has_changed(counted, before_)) report(counted, now_ns);
  }
  begun_ns_ = now_ns;
  before_ = counted;
}

void SummaryLog::report(const Counters& counted, std::int64_t now_ns) const {
  const auto number = [](std::uint64_t count) { return static_cast<unsigned long long>(count); };
  const std::int64_t seconds = (now_ns - *begun_ns_ + kNsPerSecond / 2) / kNsPerSecond;
  const std::uint64_t lost =
      counted.kernel_drops + counted.truncated - before_.kernel_drops - before_.truncated;
  ereport(LOG,
          (errmsg("influx: in the last %lld s: %llu datagrams received, %llu lines, %llu points "
                  "stored, %llu lines refused, %llu datagrams lost, %llu datagrams turned away; "
                  "%llu lines waiting",
                  static_cast<long long>(seconds), number(counted.datagrams - before_.datagrams),
                  number(counted.lines - before_.lines), number(counted.stored - before_.stored),
                  number(counted.rejected_lines() - before_.rejected_lines()), number(lost),
                  number(counted.filtered - before_.filtered), number(counted.waiting))));
}

}  // namespace influx::worker
