#include "influx/worker/background_worker.h"

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

}  // namespace influx::worker
