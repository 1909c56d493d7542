#include "influx/worker/launch.h"

#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/launched_entries.h"
#include "influx/worker/start_channel.h"

namespace influx::worker {

std::uint64_t random_token() {
  std::uint64_t token = 0;
  if (!pg_strong_random(&token, sizeof(token))) {
    ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not generate a random number")));
  }
  return token;
}

namespace {

/// nullptr where no worker slot is free.
BackgroundWorkerHandle* register_worker(const LaunchArguments& arguments, dsm_handle channel,
                                        int restart_time) {
  BackgroundWorker worker = background_worker("WorkerMain", "influx listener", restart_time);
  snprintf(worker.bgw_name, sizeof(worker.bgw_name), "influx listener for %s on port %u",
           arguments.schema, arguments.port);
  worker.bgw_main_arg = UInt32GetDatum(channel);
  std::memcpy(worker.bgw_extra, &arguments, sizeof(arguments));
  worker.bgw_notify_pid = MyProcPid;

  BackgroundWorkerHandle* registered = nullptr;
  return RegisterDynamicBackgroundWorker(&worker, &registered) ? registered : nullptr;
}

/// Waits until the worker listens or has ended. Returns its pid, or 0 where it never listened. One
/// that has listened and failed since is the postmaster's to start again.
int wait_for_worker(BackgroundWorkerHandle* worker, const StartChannel& channel) {
  for (;;) {
    // In this order: a worker that has ended has told why before.
    pid_t pid = 0;
    const BgwHandleStatus status = GetBackgroundWorkerPid(worker, &pid);
    if (channel.listening_pid() != 0) return channel.listening_pid();
    if (status == BGWH_STOPPED) return 0;
    if (status == BGWH_POSTMASTER_DIED) {
      ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster has died")));
    }
    WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, WAIT_EVENT_BGWORKER_STARTUP);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
  }
}

/// What a launcher has begun. Plain data.
struct Launch {
  std::uint64_t token;
  BackgroundWorkerHandle* worker;
};

/// The launcher gave up, or its session ends: nobody would know of the worker.
void give_up(int, Datum begun) {
  const auto* launch = reinterpret_cast<const Launch*>(DatumGetPointer(begun));
  if (launch->worker != nullptr) TerminateBackgroundWorker(launch->worker);
  close_launched(launch->token);
}

void register_launched(const LaunchArguments& arguments, dsm_handle channel, Launch* launch) {
  open_launched(arguments, process_limits(arguments.role));
  launch->worker = register_worker(arguments, channel,
                                   postgres::settings.restart_time);  // -1 is BGW_NEVER_RESTART
  if (launch->worker != nullptr) return;
  ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("%s", kNoSlot),
                  errhint("Raise max_worker_processes, or stop a worker that is not needed.")));
}

}  // namespace

int launch(LaunchArguments arguments) {
  arguments.token = random_token();
  StartChannel channel = StartChannel::open(arguments.token);
  Launch launch{arguments.token, nullptr};
  const Datum begun = PointerGetDatum(&launch);
  before_shmem_exit(give_up, begun);
  int pid = 0;
  try {
    pid = postgres::guard([&] {
      register_launched(arguments, channel.handle(), &launch);
      return wait_for_worker(launch.worker, channel);
    });
  } catch (...) {
    cancel_before_shmem_exit(give_up, begun);
    give_up(0, begun);
    throw;
  }
  cancel_before_shmem_exit(give_up, begun);
  if (pid == 0) {
    // It may have ended in a way after which the postmaster would start it again.
    give_up(0, begun);
    channel.raise_failure();
  }
  channel.close();
  return pid;
}

BackgroundWorkerHandle* start_supervised(const LaunchArguments& arguments) {
  return register_worker(arguments, DSM_HANDLE_INVALID, BGW_NEVER_RESTART);
}

BackgroundWorkerHandle* start_successor(const LaunchArguments& arguments) {
  return register_worker(arguments, DSM_HANDLE_INVALID, MyBgworkerEntry->bgw_restart_time);
}

}  // namespace influx::worker
