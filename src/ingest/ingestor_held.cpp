// The part of Ingestor that deals with tables which are locked by somebody.

#include "influx/ingest/ingestor.h"
#include "influx/postgres/catalog.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using postgres::Report;
using transport::monotonic_ns;

namespace {

/// From this attempt on a table that is locked is worth a message: about a third of a second.
constexpr int kAttemptsUntilTold = 4;

/// The name of a table, for a report.
const char* shown_name(std::string_view measurement) {
  return postgres::printable(postgres::server_string(measurement));
}

}  // namespace

/// From now on the lines of a table wait: an attempt at it has failed.
void Ingestor::hold_table(std::string_view measurement) {
  int attempts = held_.attempts(measurement);
  for (const Resumed& resumed : resumed_) {
    if (resumed.measurement == measurement) attempts = std::max(attempts, resumed.lines.attempts());
  }
  held_.hold(measurement, ++attempts, monotonic_ns());
  if (attempts != kAttemptsUntilTold || !postgres::may_report(Report::kTableLocked)) return;
  ereport(WARNING, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                    errmsg("influx: table \"%s\" is locked by another session, its lines wait",
                           shown_name(measurement))));
}

void Ingestor::hold_line(std::string_view measurement, const Line& line) {
  const std::size_t most = static_cast<std::size_t>(postgres::settings.max_pending) * 1024;
  Refusal refusal;
  if (held_.bytes() + line.text.size() <= most) {
    try {
      return held_.add(measurement, line, origins_[line.origin]);
    } catch (const std::bad_alloc&) {
      refusal.sqlstate = ERRCODE_OUT_OF_MEMORY;
      refusal.message = "the table is locked, and there is no memory for more to wait";
    }
  } else {
    refusal.sqlstate = ERRCODE_LOCK_NOT_AVAILABLE;
    refusal.message = "the table is locked, and influx.max_pending allows no more to wait";
  }
  refuse(line, refusal, measurement);
}

void Ingestor::hold(const std::string& measurement, const std::vector<Line>& lines) {
  hold_table(measurement);
  for (const Line& line : lines)
    hold_line(measurement, line);
}

void Ingestor::resume_held() {
  for (const std::string& measurement : held_.due(monotonic_ns())) {
    bool locked = false;
    const auto failure = attempt(transactions_, [&] {
      transactions_.begin();
      locked = is_locked(measurement);
      if (locked) hold_table(measurement);
    });
    if (failure.has_value()) {
      postpone(measurement);
    } else if (!locked) {
      if (held_.attempts(measurement) >= kAttemptsUntilTold &&
          postgres::may_report(Report::kTableFree)) {
        postgres::guard([&] {
          ereport(LOG, (errmsg("influx: table \"%s\" is free again", shown_name(measurement))));
        });
      }
      resume(measurement);
    }
  }
}

/// Takes the lines of a table into the batch.
void Ingestor::resume(const std::string& measurement) {
  const std::size_t count = held_.lines(measurement);
  if (!make_room(count, count)) return postpone(measurement);
  HeldLines::Queue& queue = resumed_.emplace_back(Resumed{measurement, {}}).lines;
  queue = held_.release(measurement);
  lines_ -= queue.size();
  mapping_.resumed = queue.size();
  queue.for_each([&](const Line& line, const Origin& origin) {
    --mapping_.resumed;
    const auto index = static_cast<std::uint32_t>(origins_.size());
    origins_.push_back(origin);
    parser_.reset(line.text);
    map_lines(line.number, index);
  });
}

/// Sets the time of the next attempt at a table that is held.
void Ingestor::postpone(const std::string& measurement) {
  postgres::guard([&] { hold_table(measurement); });
}

/// Whether the INSERT would have to wait for the table. Nothing stays locked.
bool Ingestor::is_locked(const std::string& measurement) {
  const Oid table = postgres::find_relation(postgres::server_string(measurement), namespace_oid_);
  if (table == InvalidOid) return false;
  if (!ConditionalLockRelationOid(table, RowExclusiveLock)) return true;
  UnlockRelationOid(table, RowExclusiveLock);
  return false;
}

void Ingestor::refuse_held(const postgres::Error& reason) {
  for (const std::string& measurement : held_.measurements()) {
    resumed_.push_back({measurement, held_.release(measurement)});
    resumed_.back().lines.for_each([&](Line line, const Origin& origin) {
      line.origin = static_cast<std::uint32_t>(origins_.size());
      origins_.push_back(origin);
      postgres::guard([&] { refuse(line, refusal_of(reason), measurement); });
    });
  }
}

}  // namespace influx::ingest
