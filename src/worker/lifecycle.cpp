#include "influx/worker/lifecycle.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/restart_policy.h"
#include "influx/worker/signals.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

using postgres::settings;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

// For the hook, which the server calls without an argument.
Lifecycle* current = nullptr;
emit_log_hook_type next_log_hook = nullptr;

/// Whether a report is of the code of a table, as of a trigger, which may make one for each row.
/// Ours are rationed by their kind where they are made. A module that logs what is done, as an
/// audit does, has the level LOG, and is left alone; RAISE LOG is told from it by the language.
bool is_of_tables(const ErrorData& report) {
  if (report.elevel >= ERROR || report.elevel < LOG || !IsTransactionState()) return false;
  const std::string_view file = report.filename == nullptr ? "" : report.filename;
  if (file.ends_with(".cpp")) return false;
  return report.elevel > LOG_SERVER_ONLY || file.starts_with("pl") || file == "Util.c";
}

}  // namespace

/// Sees the reports of this process on their way to the log: a FATAL, as of the server's own
/// start-up code, cannot be caught.
void Lifecycle::on_report(ErrorData* report) {
  if (report->elevel >= ERROR) {
    current->note_failure(report->sqlerrcode, report->message, report->detail, report->hint);
  }
  if (is_of_tables(*report) && !postgres::may_report(postgres::Report::kOfTables)) {
    report->output_to_server = false;
    return;
  }
  if (next_log_hook != nullptr) next_log_hook(report);
}

bool Lifecycle::begin(dsm_handle channel) {
  std::memcpy(&arguments_, MyBgworkerEntry->bgw_extra, sizeof(arguments_));
  current = this;
  next_log_hook = std::exchange(emit_log_hook, on_report);
  before_shmem_exit([](int code, Datum) { current->end(code); }, 0);
  // The postmaster starts again what ends with another code than 0, and the server ends with 1
  // whatever it did not catch. A callback may call proc_exit(), which goes on where it was.
  on_proc_exit(
      [](int code, Datum) {
        if (code != 0 && current->for_good_) proc_exit(0);
      },
      0);

  is_restart_ = !arguments_.supervised && !channel_.attach(channel, arguments_.token);
  auto admission = Registration::Admission::kNone;
  attempt([&] {
    supervisors();  // end() wakes one up, and must not be the first to attach
    admission = registration_.enter(arguments_);
  });
  is_heir_ = admission == Registration::Admission::kHeir;
  if (is_heir_) is_restart_ = false;
  if (!is_restart_) return admission != Registration::Admission::kNone;
  if (!registration_.entered()) return false;
  registration_.note_restart();
  registration_.set_state(ListenerState::kFailed);
  const bool may_start = wait_to_restart();
  if (may_start) registration_.set_state(ListenerState::kStarting);
  return may_start;
}

/// Waits what the postmaster has not waited yet. After a crash of the server it has not waited at
/// all, and the table is empty; if it was this listener that crashes the server, the time in
/// between is all that the users have. There is no connection yet: a listener that cannot start
/// holds up nobody.
bool Lifecycle::wait_to_restart() {
  const std::int64_t begun_ns = monotonic_ns();
  const int waited = registration_.found() ? MyBgworkerEntry->bgw_restart_time : 0;
  std::int64_t deadline_ns = 0;
  do {
    CHECK_FOR_INTERRUPTS();
    if (shutdown_requested()) return false;
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
    }
    if (settings.restart_time < 0) {
      tell_not_restarted("influx.restart_time is -1.");
      return false;
    }
    const int seconds = seconds_to_restart(registration_.failures(), settings.restart_time);
    deadline_ns = begun_ns + (seconds - waited) * kNsPerSecond;
  } while (wait_until(deadline_ns, postgres::listener_wait_event()));
  return true;
}

void Lifecycle::note_listening() {
  listening_since_ns_ = monotonic_ns();
  registration_.set_state(ListenerState::kListening);
  channel_.tell_success();
}

void Lifecycle::note_failure(const postgres::PendingError& error) {
  const ErrorData* report = error.report;
  if (report != nullptr) {
    note_failure(report->sqlerrcode, report->message, report->detail, report->hint);
  } else {
    note_failure(error.error.sqlstate(), error.error.what(), error.error.detail(),
                 error.error.hint());
  }
}

/// Takes the first error only: the others are what became of it on its way out.
void Lifecycle::note_failure(int sqlstate, const char* message, const char* detail,
                             const char* hint) {
  if (std::exchange(failed_, true)) return;
  failure_sqlstate_ = sqlstate;
  if (message != nullptr) postgres::copy_cut(failure_message_, message);
  channel_.tell_failure(sqlstate, message, detail, hint);
}

bool Lifecycle::ends_for_good(int exit_code) const noexcept {
  if (exit_code == 0 || shutdown_requested() || !PostmasterIsAlive()) return true;
  // The listener is another process's: of an heir still, of one that has given way by now.
  if ((is_heir_ || listening_since_ns_ != 0) && !registration_.entered()) return true;
  if (MyBgworkerEntry->bgw_restart_time == BGW_NEVER_RESTART || settings.restart_time < 0)
    return true;
  if (listening_since_ns_ != 0) return false;
  return !is_restart_ || (failed_ && !may_pass(failure_sqlstate_));
}

/// The last that the process does for its listener.
void Lifecycle::end(int exit_code) {
  for_good_ = ends_for_good(exit_code);
  channel_.forget();
  const bool is_failure = exit_code != 0 && !shutdown_requested() && PostmasterIsAlive();
  if (!registration_.entered()) return;
  // An error that the log does not take does not come by the hook either.
  const char* reason = failed_ ? failure_message_ : "it ended for a reason that was not logged";
  if (arguments_.supervised) {
    if (is_failure) note_end(reason);
    registration_.leave(is_failure ? ListenerState::kFailed : ListenerState::kStarting);
    wake_supervisor(arguments_.database, false);
    return;
  }
  if (is_failure && for_good_ && (is_restart_ || listening_since_ns_ != 0))
    tell_not_restarted(reason);
  if (!for_good_) note_end(reason);
  registration_.leave(for_good_ ? ListenerState::kNone : ListenerState::kFailed);
}

/// The process has failed, and is going to be followed by another one.
void Lifecycle::note_end(const char* reason) {
  const bool recovered = listening_since_ns_ != 0 &&
                         monotonic_ns() - listening_since_ns_ > kRecoveredAfter * kNsPerSecond;
  const int failures = recovered ? 1 : registration_.failures() + 1;
  registration_.set_failures(failures);
  registration_.note_failure(failure_sqlstate_, reason);
  const int seconds =
      arguments_.supervised
          ? seconds_to_supervised_restart(failures, settings.restart_time, failure_sqlstate_)
          : seconds_to_restart(failures, settings.restart_time);
  if (seconds < 0) return tell_not_restarted(reason);
  ereport(LOG, (errmsg("influx: the listener for schema \"%s\" on port %u is started again in %d s",
                       arguments_.schema, arguments_.port, seconds)));
}

void Lifecycle::tell_not_restarted(const char* reason) const {
  ereport(WARNING,
          (errmsg("influx: the listener for schema \"%s\" on port %u is not started again",
                  arguments_.schema, arguments_.port),
           errdetail_internal("%s", reason),
           arguments_.supervised
               ? errhint("It is when the table influx_listeners is changed, or at a reload.")
               : errhint("Launch it again when the cause is gone.")));
}

}  // namespace influx::worker
