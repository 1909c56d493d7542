// The part of Ingestor that has tables and columns made: those that lines of the batch need, and
// those that lines wait for (see ingestor_needs.cpp), since the table is in use by others, since
// nothing can be made now, or since much was made already.

#include "influx/ingest/attempt.h"
#include "influx/ingest/ingestor.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using postgres::Report;
using schema::Extension;
using schema::Table;
using transport::kNsPerMs;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

/// How long tables and columns are made until other lines are written.
constexpr std::int64_t kSliceNs = 50 * kNsPerMs;
/// When it is looked again whether a sender has its turn.
constexpr std::int64_t kTurnNs = 50 * kNsPerMs;

/// While a table is in use, this attempt waits for the lock longer than others do, and further ones
/// after some time: a session that reads all the time lets in only who waits, and an autovacuum
/// gives way only then. Whoever else writes to the table waits behind it.
constexpr int kFirstPatientAttempt = 3;
constexpr std::int64_t kPatientEachNs = 30 * kNsPerSecond;
/// So many times longer than such a wait took there is none, whatever the table: many may be in use
/// at once, as by pg_dump, and meanwhile the lines of all others wait.
constexpr std::int64_t kPatientShare = 8;

/// From this attempt on a table that is in use is worth a message: after about half a second.
constexpr int kAttemptsUntilTold = 3;

/// After so many attempts that failed for something that may as well be the needs themselves, about
/// a minute, it is taken for that.
constexpr int kMostPatience = 12;

/// When it is looked again whether the table itself is free.
constexpr std::int64_t kSkippedNs = kNsPerSecond;

/// The least time between two reports that lines wait for their turn.
constexpr std::int64_t kRationReportNs = 60 * kNsPerSecond;

}  // namespace

bool Ingestor::slice_is_over() noexcept {
  const std::int64_t now_ns = monotonic_ns();
  if (slice_begun_ns_ == 0) slice_begun_ns_ = now_ns;
  return !transactions_.waits_for_locks() && !insist_ && now_ns - slice_begun_ns_ >= kSliceNs;
}

/// Makes the tables and columns that lines of the batch wait for, as long as the slice lasts; what
/// is left waits for its turn. False where the server can do nothing now.
bool Ingestor::extend_all() {
  while (!extensions_.empty()) {
    const auto first = extensions_.begin();
    if (slice_is_over()) {
      Need& need = need_of(std::move(first->second), nullptr);
      need.rationed = need.paid = true;
    } else if (extend(first->second, nullptr) == Made::kNothing) {
      return false;
    }
    extensions_.erase(first);
    keep_to_budget();
  }
  extender_.forget_promises();
  return true;
}

/// Makes what lines wait for that are held, as far as it is due and the slice lasts, and takes
/// these lines into the batch. False where the server can do nothing now.
bool Ingestor::extend_held() {
  if (unextended_.empty()) return true;
  for (const std::string& measurement : unextended_.due(monotonic_ns())) {
    if (slice_is_over()) break;
    if (held_.holds(measurement)) {
      // Those that wait for the table itself go first: some may have to join these.
      unextended_.hold(measurement, unextended_.attempts(measurement), monotonic_ns() + kSkippedNs);
    } else if (!extend_held(measurement)) {
      return false;
    }
  }
  while (!ration_.empty() && !slice_is_over()) {
    const std::int64_t now_ns = monotonic_ns();
    const auto turn = ration_.next(postgres::settings.max_ddl_rate, now_ns);
    if (!turn.has_value()) break;
    HeldLines::Queue* queue = unextended_.find(turn->second);
    if (queue == nullptr || !queue->need->rationed) continue;
    if (held_.holds(turn->second)) {
      ration_.wait(turn->first, turn->second);
      break;
    }
    if (!std::exchange(queue->need->paid, true)) {
      ration_.charge(turn->first, queue->need->extension.objects(), postgres::settings.max_ddl_rate,
                     now_ns);
    }
    if (!extend_held(turn->second)) {
      if (unextended_.holds(turn->second)) ration_.wait(turn->first, turn->second);
      return false;
    }
  }
  next_slice_ns_ = slice_is_over() ? 0 : monotonic_ns() + kTurnNs;
  tell_of_ration();
  return true;
}

/// Makes what the lines of one measurement wait for, and takes them into the batch; or they go on
/// waiting. False where the server can do nothing now.
bool Ingestor::extend_held(const std::string& measurement) {
  HeldLines::Queue& queue = *unextended_.find(measurement);
  Need& need = *queue.need;
  // The lines may fit the table that there is by now, or must not have one any more.
  bool look_again = false;
  const std::shared_ptr<const Table> described = need.table.lock();
  const auto failure = attempt(transactions_, [&] {
    transactions_.begin();
    MemoryContextReset(row_memory_);
    postgres::in_context(row_memory_, [&] {
      const std::shared_ptr<Table>& table = tables_.find(measurement);
      schema::Objection objection;
      look_again = table == nullptr
                       ? !need.extension.create || !extender_.may_create(measurement, &objection)
                       : described != table;
    });
  });
  if (failure.has_value()) {
    if (trouble_of(failure->sqlstate()) == Trouble::kLock) transactions_.stop_waiting();
    const int attempts = queue.attempts() + 1;
    need.rationed = false;
    unextended_.hold(measurement, attempts, monotonic_ns() + next_pause_ns(false, attempts));
    return true;
  }
  if (!look_again) {
    if (need.extension.create) extender_.promise_table();
    const Made made = extend(need.extension, &queue);
    if (made != Made::kDone) return made == Made::kWaits;
    need.begun_ns = 0;
  }
  if (resume(unextended_, measurement)) return true;
  failure_ = out_of_memory();
  return false;
}

/// Makes what `extension` asks for; `queue` has the lines that wait for it, if they are held.
Ingestor::Made Ingestor::extend(Extension& extension, HeldLines::Queue* queue) {
  const std::int64_t now_ns = monotonic_ns();
  const bool is_patient = queue != nullptr && !queue->need->rationed && queue->reason == nullptr &&
                          queue->attempts() + 1 >= kFirstPatientAttempt &&
                          now_ns >= std::max(queue->need->patient_ns, patient_ns_);
  if (is_patient) {
    queue->need->patient_ns = now_ns + kPatientEachNs;
    transactions_.wait_longer();
  }
  ErrorData* error = nullptr;
  std::optional<postgres::Error> failure = attempt(transactions_, [&] {
    transactions_.begin();
    MemoryContextReset(row_memory_);
    error = postgres::in_context(row_memory_, [&] { return extender_.extend(extension); });
    // It is about the call, and not about the table.
    if (error != nullptr && postgres::is_interrupt(error->sqlerrcode)) ReThrowError(error);
    transactions_.commit();
  });
  if (is_patient) {
    transactions_.wait_as_before();
    const std::int64_t end_ns = monotonic_ns();
    patient_ns_ = end_ns + kPatientShare * (end_ns - now_ns);
  }
  if (error != nullptr) failure = error_of(*error);
  if (!failure.has_value()) {
    budget_.spend(Extension::bytes_made(extension.columns.size()));
    return Made::kDone;
  }

  if (failure->sqlstate() == ERRCODE_PROGRAM_LIMIT_EXCEEDED && extender_.announces()) {
    // What the server says where its queue of notifications is full. They are worth no line.
    extender_.stop_announcing();
    if (postgres::may_report(Report::kNotNotified)) {
      postgres::guard([&] {
        ereport(WARNING, (errcode(failure->sqlstate()),
                          errmsg("influx: nobody is notified of new tables and columns for a "
                                 "minute: %s",
                                 postgres::printable(failure->what()))));
      });
    }
    return extend(extension, queue);
  }
  Trouble trouble = trouble_of(failure->sqlstate());
  if (transactions_.waits_for_locks() || (insist_ && trouble == Trouble::kOutside)) {
    trouble = Trouble::kRow;
  }
  if (trouble == Trouble::kLock) transactions_.stop_waiting();
  if (trouble == Trouble::kOutside && !transactions_.takes_writes(failure->sqlstate())) {
    failure_ = *failure;
    return Made::kNothing;
  }
  if (trouble == Trouble::kLock || trouble == Trouble::kOutside) {
    const postgres::Error* reason = trouble == Trouble::kLock ? nullptr : &*failure;
    if (!extension_failed(extension, queue, reason, &*failure)) return Made::kWaits;
  }
  if (trouble == Trouble::kMoment) return Made::kDone;  // the lines come here again
  remember_refusal(extension.measurement, *failure);
  return Made::kDone;
}

/// An attempt has failed for `reason`, or where that is null for a lock. Lets the lines wait for
/// the next one, and returns false; or true where there have been enough, with what to say of it in
/// `failure`.
bool Ingestor::extension_failed(Extension& extension, HeldLines::Queue* queue,
                                const postgres::Error* reason, postgres::Error* failure) {
  const std::int64_t now_ns = monotonic_ns();
  const bool is_new = queue == nullptr;
  if (is_new) {
    const std::string measurement = extension.measurement;
    need_of(std::move(extension), reason);
    queue = unextended_.find(measurement);
  } else {
    queue->reason = reason == nullptr ? nullptr : std::make_unique<postgres::Error>(*reason);
  }
  Need& need = *queue->need;
  need.rationed = false;
  if (need.begun_ns == 0) need.begun_ns = now_ns;
  const int attempts = queue->attempts() + 1;
  unextended_.hold(need.extension.measurement, attempts, now_ns + next_pause_ns(false, attempts));
  unextended_.recount(*queue);

  const std::int64_t waited_s = (now_ns - need.begun_ns) / kNsPerSecond;
  const bool may_go_on = reason == nullptr
                             ? waited_s < postgres::settings.extend_timeout
                             : may_last(reason->sqlstate()) || attempts < kMostPatience;
  if (!is_new && !may_go_on) {
    if (reason == nullptr) {
      const char* text = postgres::guard([&] {
        return psprintf("%s could not be %s: it was in use by other sessions for %lld s",
                        what_is_missing(need.extension), need.extension.create ? "made" : "added",
                        static_cast<long long>(waited_s));
      });
      *failure = postgres::Error(ERRCODE_LOCK_NOT_AVAILABLE, text, {},
                                 "The line can be stored by influx_replay() when it is free.");
    }
    return true;
  }
  const int told_at = reason == nullptr ? kAttemptsUntilTold : 1;
  if (attempts != told_at || !postgres::may_report(Report::kCannotExtend)) return false;
  postgres::guard([&] {
    ereport(WARNING,
            (errcode(reason == nullptr ? ERRCODE_LOCK_NOT_AVAILABLE : reason->sqlstate()),
             errmsg("influx: %s cannot be %s now, lines that need it wait: %s",
                    what_is_missing(need.extension), need.extension.create ? "made" : "added",
                    reason == nullptr ? "the table is in use by other sessions" : reason->what())));
  });
  return false;
}

/// At most once in a while: that more is asked for than may be made.
void Ingestor::tell_of_ration() {
  const std::int64_t now_ns = monotonic_ns();
  if (ration_.empty() || now_ns < ration_told_ns_ || !postgres::may_report(Report::kRationed)) {
    return;
  }
  ration_told_ns_ = now_ns + kRationReportNs;
  postgres::guard([&] {
    ereport(WARNING,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
             errmsg("influx: lines wait for tables and columns: influx.max_ddl_rate allows no more "
                    "at a time"),
             errdetail("%zu lines wait to be stored.", unextended_.lines())));
  });
}

}  // namespace influx::ingest
