#include "influx/worker/launch.h"

#include "influx/postgres/error.h"

namespace influx::worker {

namespace {

enum class Progress : std::uint32_t { kStarting, kListening, kFailed };

/// Shared between launcher and worker, in a segment of its own.
struct Shared {
  LaunchArguments arguments;
  std::atomic<Progress> progress{
      Progress::kStarting};  ///< once it is set, the worker writes nothing here any more
  int sqlstate = 0;
  char message[512] = {};
  char detail[512] = {};
  char hint[512] = {};
};
static_assert(std::atomic<Progress>::is_always_lock_free);

// Of the worker, while it starts up.
dsm_segment* segment = nullptr;
Shared* shared = nullptr;
emit_log_hook_type next_log_hook = nullptr;

void wake_launcher() {
  PGPROC* launcher = BackendPidGetProc(MyBgworkerEntry->bgw_notify_pid);
  if (launcher != nullptr) SetLatch(&launcher->procLatch);
}

void tell_failure(int sqlstate, const char* message, const char* detail, const char* hint) {
  if (shared == nullptr) return;
  const auto copy = [](char(&to)[512], const char* from) {
    strlcpy(to, from == nullptr ? "" : from, sizeof(to));
  };
  shared->sqlstate = sqlstate;
  copy(shared->message, message);
  copy(shared->detail, detail);
  copy(shared->hint, hint);
  shared->progress.store(Progress::kFailed, std::memory_order_release);
  shared = nullptr;
}

/// Sees the reports of the starting worker on their way to the log: a FATAL of the server's own
/// start-up code cannot be caught.
void on_report(ErrorData* report) {
  if (report->elevel >= FATAL) {
    tell_failure(report->sqlerrcode, report->message, report->detail, report->hint);
  }
  if (next_log_hook != nullptr) next_log_hook(report);
}

[[noreturn]] void raise_failure(const Shared& failed) {
  if (failed.progress.load(std::memory_order_acquire) != Progress::kFailed) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the listener ended before it was listening"),
                    errhint("The server log may tell why.")));
  }
  ereport(ERROR, (errcode(failed.sqlstate), errmsg("%s", failed.message),
                  failed.detail[0] != '\0' ? errdetail("%s", failed.detail) : 0,
                  failed.hint[0] != '\0' ? errhint("%s", failed.hint) : 0));
  pg_unreachable();
}

BackgroundWorkerHandle* register_worker(const LaunchArguments& arguments, dsm_handle handle) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = BGW_NEVER_RESTART;
  strlcpy(worker.bgw_library_name, "influx", sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, "WorkerMain", sizeof(worker.bgw_function_name));
  strlcpy(worker.bgw_type, "influx listener", sizeof(worker.bgw_type));
  const char* schema = get_namespace_name(arguments.namespace_oid);
  snprintf(worker.bgw_name, sizeof(worker.bgw_name), "influx listener for %s on port %u",
           schema == nullptr ? "?" : schema, arguments.port);
  worker.bgw_main_arg = UInt32GetDatum(handle);
  worker.bgw_notify_pid = MyProcPid;

  BackgroundWorkerHandle* registered = nullptr;
  if (!RegisterDynamicBackgroundWorker(&worker, &registered)) {
    ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                    errmsg("no background worker slot is free for the listener"),
                    errhint("Raise max_worker_processes, or stop a worker that is not needed.")));
  }
  return registered;
}

/// Waits until the worker listens or has ended. Returns its pid, or 0 where it has ended.
int wait_for_worker(BackgroundWorkerHandle* worker, const Shared& told) {
  for (;;) {
    // In this order: a worker that has ended has told why before.
    pid_t pid = 0;
    const BgwHandleStatus status = GetBackgroundWorkerPid(worker, &pid);
    if (status == BGWH_STARTED &&
        told.progress.load(std::memory_order_acquire) == Progress::kListening) {
      return pid;
    }
    if (status == BGWH_STOPPED) return 0;
    if (status == BGWH_POSTMASTER_DIED) {
      ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster has died")));
    }
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, WAIT_EVENT_BGWORKER_STARTUP);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

}  // namespace

int launch(const LaunchArguments& arguments) {
  dsm_segment* own_segment = dsm_create(sizeof(Shared), 0);
  void* memory = dsm_segment_address(own_segment);
  auto* told = new (memory) Shared;
  told->arguments = arguments;

  BackgroundWorkerHandle* worker = register_worker(arguments, dsm_segment_handle(own_segment));
  int pid = 0;
  try {
    pid = postgres::guard([&] { return wait_for_worker(worker, *told); });
  } catch (...) {
    // The caller gave up: nobody would know of the worker.
    TerminateBackgroundWorker(worker);
    throw;
  }
  if (pid == 0) raise_failure(*told);
  dsm_detach(own_segment);
  return pid;
}

bool StartUp::attach(dsm_handle handle) {
  segment = dsm_attach(handle);
  if (segment == nullptr) return false;
  shared = static_cast<Shared*>(dsm_segment_address(segment));
  arguments_ = shared->arguments;
  next_log_hook = std::exchange(emit_log_hook, on_report);
  return true;
}

void StartUp::succeed() {
  emit_log_hook = next_log_hook;
  shared->progress.store(Progress::kListening, std::memory_order_release);
  shared = nullptr;
  wake_launcher();
  dsm_detach(segment);
}

void StartUp::fail(const postgres::PendingError& error) {
  const ErrorData* report = error.report;
  if (report != nullptr) {
    tell_failure(report->sqlerrcode, report->message, report->detail, report->hint);
  } else {
    tell_failure(error.error.sqlstate(), error.error.what(), error.error.detail(),
                 error.error.hint());
  }
}

}  // namespace influx::worker
