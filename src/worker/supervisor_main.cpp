// SupervisorMain, the function that the postmaster starts for each database of influx.databases.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/session.h"
#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/restart_policy.h"
#include "influx/worker/signals.h"
#include "influx/worker/supervised_entries.h"
#include "influx/worker/supervisor.h"
#include "influx/worker/supervisors.h"

namespace {

using influx::postgres::settings;
using influx::transport::kNsPerSecond;
using influx::transport::monotonic_ns;
using influx::worker::SupervisorSlot;

/// What is waited for a database at first where influx.restart_time asks for no time.
constexpr int kDefaultPause = 10;  // seconds

// For the callback at the end of the process, which has one argument.
std::int64_t connected_since_ns = 0;  ///< on the monotonic clock; 0 before

int seconds_to_wait(int failures) noexcept {
  if (failures == 0) return 0;
  const int first = settings.restart_time > 0 ? settings.restart_time : kDefaultPause;
  return influx::worker::seconds_to_restart(failures, first);
}

/// Waits what the failures of earlier processes ask for, or until the configuration is read again.
/// There is no connection yet. False where the process is to end instead.
bool wait_to_start(const SupervisorSlot& slot) {
  const int seconds =
      seconds_to_wait(slot.failures.load()) - influx::worker::kSupervisorRestartTime;
  const std::int64_t deadline_ns = monotonic_ns() + seconds * kNsPerSecond;
  do {
    if (influx::worker::shutdown_requested()) return false;
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
      ConfigReloadPending = false;
      ProcessConfigFile(PGC_SIGHUP);
      return true;
    }
  } while (influx::worker::wait_until(deadline_ns, influx::postgres::supervisor_wait_event()));
  return true;
}

/// The postmaster starts the process again, whatever it ended by.
void leave(int code, Datum argument) {
  auto* slot = reinterpret_cast<SupervisorSlot*>(DatumGetPointer(argument));
  slot->pid = 0;
  // One that was told to end, as for a database that is dropped, has not failed: the next one
  // begins anew.
  if (influx::worker::shutdown_requested()) slot->failures = 0;
  if (code == 0 || influx::worker::shutdown_requested() || !PostmasterIsAlive()) return;
  // Where the database was dropped, nobody else remembers its listeners.
  if (connected_since_ns == 0) influx::worker::close_entries(slot->database);
  const bool recovered =
      connected_since_ns != 0 &&
      monotonic_ns() - connected_since_ns > influx::worker::kRecoveredAfter * kNsPerSecond;
  slot->failures = recovered ? 1 : slot->failures + 1;
  ereport(LOG, (errmsg("influx: the supervisor of database \"%s\" is started again in %d s",
                       MyBgworkerEntry->bgw_extra, seconds_to_wait(slot->failures))));
}

}  // namespace

INFLUX_WORKER(SupervisorMain) {
  influx::worker::install_supervisor_signal_handlers();
  SupervisorSlot& slot =
      influx::worker::supervisors()[static_cast<std::size_t>(DatumGetInt32(argument))];
  if (!wait_to_start(slot)) proc_exit(1);
  before_shmem_exit(leave, PointerGetDatum(&slot));
  influx::worker::listeners();  // leave() must not be the first to attach

  influx::postgres::ignore_transaction_timeout();
  influx::postgres::survive_errors();
  BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, nullptr, 0);
  SetConfigOption("application_name", "influx supervisor", PGC_USERSET, PGC_S_OVERRIDE);
  SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_OVERRIDE);
  connected_since_ns = monotonic_ns();
  const Oid before = slot.database.exchange(MyDatabaseId);
  // A database that was dropped and made again is another one.
  if (before != MyDatabaseId) influx::worker::close_entries(before);
  slot.pid = MyProcPid;
  ereport(LOG, (errmsg("influx: supervising the listeners of database \"%s\"",
                       MyBgworkerEntry->bgw_extra)));

  auto* supervisor = influx::postgres::make_in_context<influx::worker::Supervisor>(
      TopMemoryContext, slot, before == InvalidOid ? influx::worker::crashes_in_a_row() : 0);
  supervisor->run();
  proc_exit(1);
}
