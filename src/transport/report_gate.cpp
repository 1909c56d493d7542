#include "influx/transport/report_gate.h"

#include <algorithm>

namespace influx::transport {

bool ReportGate::pass(std::size_t kind, std::int64_t now_ns) noexcept {
  Kind& known = kinds_[kind];
  if (known.used && now_ns - known.last_ns < kIntervalNs) {
    ++known.left_out;
    return false;
  }
  known.used = true;
  known.last_ns = now_ns;
  return true;
}

std::int64_t ReportGate::opens_at_ns(std::size_t kind) const noexcept {
  return kinds_[kind].used ? kinds_[kind].last_ns + kIntervalNs : 0;
}

std::optional<std::int64_t> ReportGate::due_ns() const noexcept {
  std::optional<std::int64_t> due;
  for (const Kind& kind : kinds_) {
    if (kind.left_out == 0) continue;
    const std::int64_t at = kind.last_ns + kIntervalNs;
    due = due.has_value() ? std::min(*due, at) : at;
  }
  return due;
}

std::optional<ReportGate::LeftOut> ReportGate::take_left_out(std::int64_t now_ns,
                                                             bool all) noexcept {
  for (std::size_t kind = 0; kind < kinds_.size(); ++kind) {
    Kind& known = kinds_[kind];
    if (known.left_out == 0 || (!all && now_ns - known.last_ns < kIntervalNs)) continue;
    const LeftOut left_out{kind, known.left_out};
    known.left_out = 0;
    known.last_ns = now_ns;
    return left_out;
  }
  return std::nullopt;
}

}  // namespace influx::transport
