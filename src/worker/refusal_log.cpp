#include "influx/worker/refusal_log.h"

#include "influx/ingest/line_text.h"

namespace influx::worker {

bool RefusalLog::may_report() {
  const TimestampTz now = GetCurrentTimestamp();
  if (TimestampDifferenceExceeds(interval_start_, now, kIntervalMs) || now < interval_start_) {
    flush(true);
    interval_start_ = now;
    reported_ = 0;
  }
  if (reported_ >= kMostPerInterval) {
    ++left_out_;
    return false;
  }
  ++reported_;
  return true;
}

void RefusalLog::refuse(const ingest::Line& line, const ingest::Origin& origin,
                        const ingest::Refusal& refusal) {
  ++counts_[static_cast<std::size_t>(ingest::kind_of(refusal))];
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
           errmsg("influx: line refused: %s (SQLSTATE %s)", refusal.message,
                  unpack_sql_state(refusal.sqlstate)),
           errdetail_internal("Datagram from %s, %s: %s%s%s", sender, place.data,
                              ingest::line_text(line.text), refusal.detail != nullptr ? "\n" : "",
                              refusal.detail != nullptr ? refusal.detail : ""),
           refusal.hint != nullptr ? errhint("%s", refusal.hint) : 0));
}

void RefusalLog::lose(std::uint64_t datagrams, const char* reason) {
  ereport(WARNING, (errmsg("influx: %llu datagrams lost: %s",
                           static_cast<unsigned long long>(datagrams), reason)));
}

void RefusalLog::flush(bool now) {
  if (left_out_ == 0) return;
  if (!now && !TimestampDifferenceExceeds(interval_start_, GetCurrentTimestamp(), kIntervalMs))
    return;
  ereport(WARNING, (errmsg("influx: %llu more lines refused",
                           static_cast<unsigned long long>(std::exchange(left_out_, 0)))));
}

}  // namespace influx::worker
