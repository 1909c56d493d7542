#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// The kinds of reports that what is sent, or what others do to tables, can bring about any number
/// of times.
enum class Report : std::uint8_t {
  kTableLocked,
  kTableFree,
  kSuspended,
  kWritingAgain,
  kNotNotified,
  kRefused,
  kLost,
  kTurnedAway,
  kLookPutOff,
  kTableTrouble,
  kTableWrites,
  kCannotExtend,
  kRationed,
  kOfTables,
  kNotFollowed,
};

/// Whether this process may log a report of the kind now: one in ten seconds is let through. The
/// others are counted, and told by tell_left_out().
bool may_report(Report kind) noexcept;

/// When may_report() will be true, on the monotonic clock. For reports that wait, and sum up.
std::int64_t may_report_at_ns(Report kind) noexcept;

/// Logs how many reports were left out, of the kinds for which ten seconds are over, or of all.
void tell_left_out(bool all = false);

/// When tell_left_out() has something to say, on the monotonic clock; nothing where no report was
/// left out.
std::optional<std::int64_t> left_out_due_ns() noexcept;

}  // namespace influx::postgres
