// The part of Ingestor that deals with tables to which nothing can be written now: they are locked
// by somebody, or where they are stored takes nothing.

#include "influx/ingest/attempt.h"
#include "influx/ingest/ingestor.h"
#include "influx/postgres/catalog.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using postgres::Report;
using transport::kNsPerMs;
using transport::monotonic_ns;

namespace {

/// From this attempt on a table that is locked is worth a message: about a third of a second.
constexpr int kAttemptsUntilTold = 4;

/// The pauses after the first attempt, which double with each further one, and the longest ones.
constexpr std::int64_t kFirstLockPauseNs = 50 * kNsPerMs;
constexpr std::int64_t kLongestLockPauseNs = 1000 * kNsPerMs;
constexpr std::int64_t kFirstPauseNs = 100 * kNsPerMs;
constexpr std::int64_t kLongestPauseNs = 10'000 * kNsPerMs;

/// After so many attempts, about a minute, it may be the rows that are the reason.
constexpr int kMostPatience = 12;

/// The name of a table, for a report.
const char* shown_name(std::string_view measurement) {
  return postgres::printable(postgres::server_string(measurement));
}

}  // namespace

std::int64_t Ingestor::next_pause_ns(bool is_lock, int attempts) {
  const std::int64_t pause =
      is_lock ? transport::back_off(kFirstLockPauseNs, kLongestLockPauseNs, attempts)
              : transport::back_off(kFirstPauseNs, kLongestPauseNs, attempts);
  // Two listeners that wait for each other's rows would else meet again at each attempt.
  return static_cast<std::int64_t>(pg_prng_uint64_range(&pg_global_prng_state,
                                                        static_cast<std::uint64_t>(pause) / 2,
                                                        static_cast<std::uint64_t>(pause)));
}

/// How often it was tried to write the lines of a table that wait, or have waited until this batch.
int Ingestor::attempts_at(std::string_view measurement) const noexcept {
  int attempts = held_.attempts(measurement);
  for (const Resumed& resumed : resumed_) {
    if (resumed.measurement == measurement && resumed.lines.need == nullptr) {
      attempts = std::max(attempts, resumed.lines.attempts());
    }
  }
  return attempts;
}

/// From now on the lines of a table wait: an attempt at it has failed, for `reason` or, where that
/// is null, for a lock.
void Ingestor::hold_table(std::string_view measurement, const postgres::Error* reason) {
  const int attempts = attempts_at(measurement) + 1;
  std::unique_ptr<postgres::Error> kept;
  if (reason != nullptr) kept = std::make_unique<postgres::Error>(*reason);
  HeldLines::Queue& queue = held_.hold(measurement, attempts,
                                       monotonic_ns() + next_pause_ns(reason == nullptr, attempts));
  const bool is_told = queue.reason != nullptr;
  queue.reason = std::move(kept);
  held_.recount(queue);
  if (reason == nullptr && attempts == kAttemptsUntilTold &&
      postgres::may_report(Report::kTableLocked)) {
    postgres::guard([&] {
      ereport(WARNING, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                        errmsg("influx: table \"%s\" is locked by another session, its lines wait",
                               shown_name(measurement))));
    });
  } else if (reason != nullptr && !is_told && attempts == 1 &&
             postgres::may_report(Report::kTableTrouble)) {
    postgres::guard([&] {
      ereport(WARNING,
              (errcode(reason->sqlstate()),
               errmsg("influx: nothing can be written to table \"%s\" now, its lines wait: %s",
                      shown_name(measurement), postgres::printable(reason->what())),
               *reason->hint() != '\0' ? errhint("%s", postgres::printable(reason->hint())) : 0));
    });
  }
}

std::size_t Ingestor::most_pending() noexcept {
  return static_cast<std::size_t>(postgres::settings.max_pending) * 1024;
}

/// Whether there is room for so many more bytes of lines of a table. One table leaves room for
/// others: it has as much as is left beside it, and so half of all at most; and what was kept for
/// lines of it that have waited before.
bool Ingestor::has_room_to_hold(std::string_view measurement, std::size_t bytes) noexcept {
  const HeldLines::Queue* queue = held_.find(measurement);
  const auto kept = kept_room_.find(measurement);
  const std::size_t own = kept == kept_room_.end() ? 0 : kept->second;
  const std::size_t taken = held_bytes() - own;
  if (taken + bytes > most_pending()) return false;
  return bytes <= own ||
         (queue == nullptr ? 0 : queue->bytes()) + bytes <= most_pending() - taken - bytes;
}

/// So many bytes of lines of a table wait now that the room may have been kept for.
void Ingestor::use_kept_room(std::string_view measurement, std::size_t bytes) noexcept {
  const auto kept = kept_room_.find(measurement);
  if (kept == kept_room_.end()) return;
  const std::size_t used = std::min(bytes, kept->second);
  kept->second -= used;
  kept_bytes_ -= used;
}

/// Keeps a line of a table that is held, or refuses it.
void Ingestor::hold_line(std::string_view measurement, const Line& line) {
  Refusal refusal;
  const HeldLines::Queue& queue = *held_.find(measurement);
  if (has_room_to_hold(measurement, line.text.size())) {
    try {
      held_.add(measurement, line, origins_[line.origin]);
      return use_kept_room(measurement, line.text.size());
    } catch (const std::bad_alloc&) {
      refusal.sqlstate = ERRCODE_OUT_OF_MEMORY;
      refusal.message = "the table takes no lines now, and there is no memory for more to wait";
    }
  } else if (queue.reason == nullptr) {
    refusal.sqlstate = ERRCODE_LOCK_NOT_AVAILABLE;
    refusal.message = "the table is locked, and influx.max_pending allows no more to wait";
  } else {
    refusal.sqlstate = queue.reason->sqlstate();
    refusal.message =
        "nothing can be written to the table, and influx.max_pending allows no more to wait";
    refusal.detail = queue.reason->what();
  }
  refuse(line, refusal, measurement);
}

void Ingestor::hold(const std::string& measurement, const std::vector<Line>& lines,
                    const postgres::Error* reason) {
  hold_table(measurement, reason);
  // All memory first: each line is to be in one place.
  std::size_t bytes = 0;
  std::size_t count = 0;
  std::size_t origins = 0;
  std::uint32_t last = UINT32_MAX;
  for (const Line& line : lines) {
    if (!has_room_to_hold(measurement, bytes + line.text.size())) break;
    bytes += line.text.size();
    ++count;
    if (std::exchange(last, line.origin) != line.origin) ++origins;
  }
  held_.reserve(measurement, count, bytes, origins);
  use_kept_room(measurement, bytes);
  // What was reserved counts as taken already.
  for (std::size_t i = 0; i < count; ++i)
    held_.add(measurement, lines[i], origins_[lines[i].origin]);
  postgres::guard([&] {
    for (std::size_t i = count; i < lines.size(); ++i)
      hold_line(measurement, lines[i]);
  });
}

bool Ingestor::may_wait(const std::string& measurement, int sqlstate) const {
  return may_last(sqlstate) || attempts_at(measurement) < kMostPatience;
}

std::optional<std::int64_t> Ingestor::next_attempt_ns() const noexcept {
  std::optional<std::int64_t> next = held_.next_attempt_ns();
  const auto not_after = [&](std::int64_t at_ns) {
    at_ns = std::max(at_ns, next_slice_ns_);
    next = std::min(next.value_or(at_ns), at_ns);
  };
  if (const auto at_ns = unextended_.next_attempt_ns()) not_after(*at_ns);
  if (!ration_.empty()) not_after(ration_.next_turn_ns(postgres::settings.max_ddl_rate));
  return next;
}

void Ingestor::resume_held() {
  for (const std::string& measurement : held_.due(monotonic_ns())) {
    bool locked = false;
    const auto failure = attempt(transactions_, [&] {
      transactions_.begin();
      locked = is_locked(measurement);
    });
    if (failure.has_value()) {
      postpone(measurement);
    } else if (locked) {
      hold_table(measurement, nullptr);
    } else {
      const HeldLines::Queue& queue = *held_.find(measurement);
      if (queue.reason == nullptr && queue.attempts() >= kAttemptsUntilTold &&
          postgres::may_report(Report::kTableFree)) {
        postgres::guard([&] {
          ereport(LOG, (errmsg("influx: table \"%s\" is free again", shown_name(measurement))));
        });
      }
      if (!resume(held_, measurement)) postpone(measurement);
    }
  }
}

/// Takes the lines of a table into the batch. False where there is no memory for that.
bool Ingestor::resume(HeldLines& from, const std::string& measurement) {
  const std::size_t count = from.find(measurement)->size();
  if (!make_room(count, count)) return false;
  std::size_t& kept = kept_room_[measurement];
  HeldLines::Queue& queue = resumed_.emplace_back(Resumed{measurement, {}}).lines;
  queue = from.release(measurement);
  if (&from == &held_) {
    kept += queue.bytes();
    kept_bytes_ += queue.bytes();
  }
  lines_ -= queue.size();
  mapping_.resumed = queue.size();
  queue.for_each([&](const Line& line, const Origin& origin) {
    --mapping_.resumed;
    const auto index = static_cast<std::uint32_t>(origins_.size());
    origins_.push_back(origin);
    parser_.reset(line.text);
    map_lines(line.number, index);
  });
  return true;
}

/// Sets the time of the next attempt at a table that is held; nothing is known of it.
void Ingestor::postpone(const std::string& measurement) {
  const HeldLines::Queue& queue = *held_.find(measurement);
  const int attempts = queue.attempts() + 1;
  held_.hold(measurement, attempts,
             monotonic_ns() + next_pause_ns(queue.reason == nullptr, attempts));
}

/// Tells of the tables that could take nothing, and have taken what had waited.
void Ingestor::tell_of_resumed() {
  for (const Resumed& resumed : resumed_) {
    if (insist_ || resumed.lines.reason == nullptr || resumed.lines.need != nullptr ||
        held_.holds(resumed.measurement) ||
        !may_wait(resumed.measurement, resumed.lines.reason->sqlstate()) ||
        !postgres::may_report(Report::kTableWrites)) {
      continue;
    }
    postgres::guard([&] {
      ereport(LOG, (errmsg("influx: table \"%s\" can be written to again",
                           shown_name(resumed.measurement))));
    });
  }
}

/// Whether the INSERT would have to wait for the table. Nothing stays locked.
bool Ingestor::is_locked(const std::string& measurement) {
  const Oid table = postgres::find_relation(postgres::server_string(measurement), namespace_oid_);
  if (table == InvalidOid) return false;
  if (!ConditionalLockRelationOid(table, RowExclusiveLock)) return true;
  UnlockRelationOid(table, RowExclusiveLock);
  return false;
}

void Ingestor::refuse_held() {
  const postgres::Error locked{ERRCODE_LOCK_NOT_AVAILABLE,
                               "the listener was stopped while the table was locked"};
  const postgres::Error rationed{ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                                 "the listener was stopped before it could be made what the line "
                                 "needs: influx.max_ddl_rate allows no more at a time"};
  const postgres::Error in_use{ERRCODE_LOCK_NOT_AVAILABLE,
                               "the listener was stopped before a column could be added: the table "
                               "was in use"};
  for (HeldLines* from : {&held_, &unextended_}) {
    for (const std::string& measurement : from->measurements()) {
      resumed_.push_back({measurement, from->release(measurement)});
      const HeldLines::Queue& lines = resumed_.back().lines;
      const postgres::Error& without_reason = lines.need == nullptr  ? locked
                                              : lines.need->rationed ? rationed
                                                                     : in_use;
      const postgres::Error& reason = lines.reason != nullptr ? *lines.reason : without_reason;
      lines.for_each([&](Line line, const Origin& origin) {
        line.origin = static_cast<std::uint32_t>(origins_.size());
        origins_.push_back(origin);
        postgres::guard([&] { refuse(line, refusal_of(reason), measurement); });
      });
    }
  }
  ration_.clear();
}

}  // namespace influx::ingest
