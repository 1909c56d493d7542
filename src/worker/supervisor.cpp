#include "influx/worker/supervisor.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"
#include "influx/worker/launch.h"
#include "influx/worker/restart_policy.h"
#include "influx/worker/signals.h"

namespace influx::worker {

using postgres::settings;
using transport::kNsPerMs;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

constexpr std::int64_t kNever = INT64_MAX;

/// After a change of the table of listeners there was no room for, as far as nothing else happens.
constexpr std::int64_t kNoRoomPauseNs = 60 * kNsPerSecond;

bool names(const WantedProcess& wanted, const ListenerStatus& status) noexcept {
  return wanted.ordinal == status.supervised.ordinal &&
         std::strcmp(wanted.listener, status.supervised.listener) == 0;
}

/// Whether a process of those arguments does what is wanted now. The schema may have got another
/// name.
bool same_work(const LaunchArguments& left, const LaunchArguments& right) noexcept {
  return left.role == right.role && left.namespace_oid == right.namespace_oid &&
         left.port == right.port && left.precision == right.precision;
}

/// When a listener without process is to be started, on the monotonic clock.
std::int64_t due_ns(const ListenerStatus& status) noexcept {
  if (status.state != ListenerState::kFailed) return 0;
  const int seconds = seconds_to_supervised_restart(status.failures, settings.restart_time,
                                                    status.failure.sqlstate);
  return seconds < 0 ? kNever : status.supervised.ended_ns + seconds * kNsPerSecond;
}

}  // namespace

Supervisor::Supervisor(SupervisorSlot& slot, int crashes)
    : slot_(slot),
      memory_(AllocSetContextCreate(TopMemoryContext, "influx supervisor", ALLOCSET_DEFAULT_SIZES)),
      crashes_(crashes),
      begun_ns_(monotonic_ns()) {}

void Supervisor::run() {
  MemoryContextSwitchTo(memory_);
  if (crashes_ > 0 && settings.restart_time >= 0) {
    ereport(LOG,
            (errmsg("influx: listeners of database \"%s\" are started in %d s, after a crash of "
                    "the server",
                    MyBgworkerEntry->bgw_extra, crash_pause())));
  }
  changes_seen_ = slot_.changes.load();
  while (!shutdown_requested()) {
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
      told_to_retry_ = true;
    }
    const std::uint32_t changes = slot_.changes.load();
    if (std::exchange(changes_seen_, changes) != changes) told_to_retry_ = true;
    look();
    MemoryContextReset(memory_);
    wait();
  }
}

/// Nothing to do is the common case: no transaction, no snapshot, no time at which it wakes up.
void Supervisor::wait() {
  int events = WL_LATCH_SET | WL_EXIT_ON_PM_DEATH;
  long timeout = -1;
  if (next_look_ns_ != kNever) {
    const std::int64_t left = next_look_ns_ - monotonic_ns();
    timeout = static_cast<long>(std::clamp<std::int64_t>(left / kNsPerMs + 1, 0, INT_MAX));
    events |= WL_TIMEOUT;
  }
  WaitLatch(MyLatch, events, timeout, postgres::supervisor_wait_event());
  ResetLatch(MyLatch);
}

void Supervisor::look_again_at(std::int64_t ns) noexcept {
  next_look_ns_ = std::min(next_look_ns_, ns);
}

void Supervisor::look() {
  pgstat_report_activity(STATE_RUNNING, "reading influx_listeners");
  // Who has the table locked is waited for: there is nothing else to do.
  postgres::set_lock_wait(0);
  allow_cancel();
  postgres::begin_transaction();
  const Wanted wanted = wanted_processes(listeners());
  postgres::commit_transaction();
  forbid_cancel();
  postgres::report_statistics(true);

  next_look_ns_ = kNever;
  compare(wanted.processes);
  if (wanted.left_out != nullptr) note_no_room(wanted.left_out);
  told_to_retry_ = false;
  pgstat_report_activity(STATE_IDLE, "supervising listeners");
}

void Supervisor::compare(std::span<const WantedProcess> wanted) {
  const auto attended = std::span(static_cast<bool*>(palloc0(wanted.size() + 1)), wanted.size());
  for (const ListenerStatus& status : listeners()) {
    CHECK_FOR_INTERRUPTS();
    if (!status.arguments.supervised || status.arguments.database != MyDatabaseId) continue;
    const auto found =
        std::find_if(wanted.begin(), wanted.end(),
                     [&](const WantedProcess& process) { return names(process, status); });
    const bool fits =
        found != wanted.end() && same_work(found->arguments, status.arguments) &&
        // Of an entry under way that another supervisor has made it is not known what became of it.
        (status.pid != 0 || status.supervised.ended ||
         handle_of(status.arguments.token) != nullptr);
    const bool must_end = status.pid != 0 && (!fits || found->objection != nullptr);
    if (fits && !must_end) {
      attend(status, *found);
    } else {
      dismiss(status);
    }
    // One that ends makes room when it has ended.
    if (found != wanted.end() && (fits || must_end)) {
      attended[static_cast<std::size_t>(found - wanted.begin())] = true;
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    CHECK_FOR_INTERRUPTS();
    if (!attended[i]) add(wanted[i]);
  }
}

/// Makes the entry of a process that has none; the next look starts it.
void Supervisor::add(const WantedProcess& wanted) {
  LaunchArguments arguments = wanted.arguments;
  arguments.token = random_token();
  if (open_entry(arguments, wanted.listener, wanted.ordinal)) return look_again_at(0);
  note_no_room(wanted.listener);
}

/// There is no entry to show it in, and there may be many of them at each look: one is told.
void Supervisor::note_no_room(const char* listener) {
  const std::int64_t now_ns = monotonic_ns();
  look_again_at(now_ns + kNoRoomPauseNs);
  if (no_room_told_ns_ != 0 && now_ns - no_room_told_ns_ < kNoRoomPauseNs) return;
  no_room_told_ns_ = now_ns;
  ereport(WARNING,
          (errmsg("influx: listener \"%s\" has too many processes: the table of listeners is full",
                  listener),
           errhint("Give the listeners fewer workers, or raise max_worker_processes.")));
}

/// Does what there is to do for an entry that is wanted.
void Supervisor::attend(const ListenerStatus& status, const WantedProcess& wanted) {
  const std::uint64_t token = status.arguments.token;
  if (status.pid != 0) {
    if (status.supervised.overrides != wanted.overrides) tell_to_reload(token);
    return;
  }
  if (!status.supervised.ended) {
    if (!is_under_way(token)) {
      fail(status, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
           "the process of the listener could not be started");
    }
    return;
  }
  // The process gives its worker slot back a moment after it has left its entry.
  if (is_under_way(token) || is_held_back()) return;
  const std::int64_t due = told_to_retry_ ? 0 : due_ns(status);
  if (due > monotonic_ns()) return look_again_at(due);
  start(status, wanted);
}

/// How long nothing is started after a crash. REQUIRES: influx.restart_time is not -1.
int Supervisor::crash_pause() const noexcept {
  return seconds_to_restart(crashes_, settings.restart_time);
}

/// If the crash was a listener's doing, this is the time in which one can do something about it;
/// and the more of them come in a row, the longer.
bool Supervisor::is_held_back() {
  if (crashes_ == 0) return false;
  const std::int64_t until_ns =
      settings.restart_time < 0 ? kNever : begun_ns_ + crash_pause() * kNsPerSecond;
  if (told_to_retry_ || monotonic_ns() >= until_ns) {
    crashes_ = 0;
    return false;
  }
  look_again_at(until_ns);
  return true;
}

void Supervisor::start(const ListenerStatus& status, const WantedProcess& wanted) {
  if (wanted.objection != nullptr) return fail(status, wanted.sqlstate, wanted.objection);
  // Before the process can be there, which takes the entry over.
  const Excess beyond = note_start(status.arguments.token, wanted.overrides, wanted.limits);
  if (beyond != Excess::kNone) {
    return fail(status, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                excess_message(beyond, wanted.role, wanted.limits));
  }
  handles_[status.arguments.token] = nullptr;
  BackgroundWorkerHandle* handle =
      postgres::in_context(TopMemoryContext, [&] { return start_supervised(status.arguments); });
  handles_[status.arguments.token] = handle;
  if (handle != nullptr) return;
  forget(status.arguments.token);
  fail(status, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, kNoSlot);
}

/// No process for the listener now. Told once for each reason; the table of listeners shows it.
void Supervisor::fail(const ListenerStatus& status, int sqlstate, const char* message) {
  const char* name = status.supervised.listener;
  if (std::strcmp(status.failure.message, message) != 0) {
    ereport(WARNING, (errcode(sqlstate),
                      errmsg("influx: listener \"%s\" is not started: %s", name, message)));
  }
  note_start_failure(status.arguments.token, sqlstate, message);
  const int seconds =
      seconds_to_supervised_restart(status.failures + 1, settings.restart_time, sqlstate);
  if (seconds >= 0) look_again_at(monotonic_ns() + seconds * kNsPerSecond);
}

/// Ends what is not wanted, in order; its entry goes when its process has ended.
void Supervisor::dismiss(const ListenerStatus& status) {
  const std::uint64_t token = status.arguments.token;
  if (status.pid != 0) return tell_to_end(token);
  // One that is being started finds no entry, and ends.
  BackgroundWorkerHandle* handle = handle_of(token);
  if (handle != nullptr && !status.supervised.ended) TerminateBackgroundWorker(handle);
  forget(token);
  close_entry(token);
}

BackgroundWorkerHandle* Supervisor::handle_of(std::uint64_t token) const {
  const auto found = handles_.find(token);
  return found == handles_.end() ? nullptr : found->second;
}

/// Whether the postmaster knows of a process that this one has had it start.
bool Supervisor::is_under_way(std::uint64_t token) {
  BackgroundWorkerHandle* handle = handle_of(token);
  if (handle == nullptr) return false;
  pid_t pid = 0;
  if (GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED) return true;
  forget(token);
  return false;
}

void Supervisor::forget(std::uint64_t token) {
  BackgroundWorkerHandle* handle = handle_of(token);
  handles_.erase(token);
  if (handle != nullptr) pfree(handle);
}

}  // namespace influx::worker
