#include "influx/worker/background_worker.h"

#include "influx/transport/clock.h"

namespace influx::worker {

BackgroundWorker background_worker(const char* function, const char* type, int restart_time) {
  BackgroundWorker worker{};
  worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
  worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
  worker.bgw_restart_time = restart_time;
  strlcpy(worker.bgw_library_name, "influx", sizeof(worker.bgw_library_name));
  strlcpy(worker.bgw_function_name, function, sizeof(worker.bgw_function_name));
  strlcpy(worker.bgw_type, type, sizeof(worker.bgw_type));
  return worker;
}

bool wait_until(std::int64_t deadline_ns, std::uint32_t wait_event) {
  const std::int64_t left_ns = deadline_ns - transport::monotonic_ns();
  if (left_ns <= 0) return false;
  WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
            left_ns / transport::kNsPerMs + 1, wait_event);
  ResetLatch(MyLatch);
  return true;
}

}  // namespace influx::worker
