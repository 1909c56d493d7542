#include "influx/worker/refusal_log.h"

#include "influx/ingest/line_text.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"

namespace influx::worker {

using postgres::printable;

bool RefusalLog::interval_is_over() const noexcept {
  return transport::monotonic_ns() - interval_start_ns_ > std::int64_t{kIntervalMs} * 1000000;
}

bool RefusalLog::may_report() {
  if (interval_is_over()) {
    flush(true);
    interval_start_ns_ = transport::monotonic_ns();
    reported_ = 0;
  }
  if (reported_ >= kMostPerInterval) {
    ++left_out_;
    return false;
  }
  ++reported_;
  return true;
}

void RefusalLog::report(const ingest::Line& line, const ingest::Origin& origin,
                        const ingest::Refusal& refusal) {
  if (!may_report()) return;

  char sender[INET6_ADDRSTRLEN + 16];
  strlcpy(sender, origin.sender.length == 0 ? "unknown" : origin.sender.text().c_str(),
          sizeof(sender));
  StringInfoData place;
  initStringInfo(&place);
  appendStringInfo(&place, "line %u", line.number);
  if (refusal.position.has_value()) {
    appendStringInfo(&place, ", position %zu", *refusal.position + 1);
  }
  ereport(WARNING,
          (errcode(refusal.sqlstate),
           errmsg("influx: line refused: %s (SQLSTATE %s)", printable(refusal.message),
                  unpack_sql_state(refusal.sqlstate)),
           errdetail_internal("Datagram from %s, %s: %s%s%s", sender, place.data,
                              ingest::line_text(line.text), refusal.detail != nullptr ? "\n" : "",
                              refusal.detail != nullptr ? printable(refusal.detail) : ""),
           refusal.hint != nullptr ? errhint("%s", printable(refusal.hint)) : 0));
}

void RefusalLog::flush(bool now) {
  if (left_out_ == 0 || !(now || interval_is_over())) return;
  ereport(WARNING, (errmsg("influx: %llu more lines refused",
                           static_cast<unsigned long long>(std::exchange(left_out_, 0)))));
}

}  // namespace influx::worker
