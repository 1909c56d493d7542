#include "influx/transport/report_gate.h"

#include "influx/postgres/report.h"
#include "influx/transport/clock.h"

namespace influx::postgres {

using transport::monotonic_ns;
using transport::ReportGate;

namespace {

/// By Report: what they say.
constexpr const char* kTold[] = {
    "that a table is locked",
    "that a table is free again",
    "that nothing can be written",
    "of writing again",
    "that nobody is notified",
    "of refused lines",
    "of lost datagrams",
    "of datagrams turned away",
    "of looks at the catalog",
    "that nothing can be written to a table",
    "that a table can be written to again",
    "that something cannot be made",
    "that lines wait for their turn",
    "of the code of tables",
    "that no new process follows",
};
static_assert(lengthof(kTold) == static_cast<std::size_t>(Report::kNotFollowed) + 1);
static_assert(lengthof(kTold) <= ReportGate::kMostKinds);

/// Of this process.
constinit ReportGate gate;

}  // namespace

bool may_report(Report kind) noexcept {
  return gate.pass(static_cast<std::size_t>(kind), monotonic_ns());
}

std::int64_t may_report_at_ns(Report kind) noexcept {
  return gate.opens_at_ns(static_cast<std::size_t>(kind));
}

void tell_left_out(bool all) {
  while (const auto left_out = gate.take_left_out(monotonic_ns(), all)) {
    ereport(LOG, (errmsg("influx: %llu more reports %s were left out",
                         static_cast<unsigned long long>(left_out->count), kTold[left_out->kind])));
  }
}

std::optional<std::int64_t> left_out_due_ns() noexcept {
  return gate.due_ns();
}

}  // namespace influx::postgres
