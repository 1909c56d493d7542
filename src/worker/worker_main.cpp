// WorkerMain, the function that the postmaster starts for each listener.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/transaction.h"
#include "influx/worker/launch.h"
#include "influx/worker/signals.h"
#include "influx/worker/worker.h"

namespace {

using influx::worker::LaunchArguments;
using influx::worker::StartUp;
using influx::worker::Worker;

/// The schema may have been dropped, or not be committed yet, while the worker was started.
void check_schema(const LaunchArguments& arguments) {
  influx::postgres::begin_transaction();
  if (get_namespace_name(arguments.namespace_oid) == nullptr) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_SCHEMA),
             errmsg("schema with OID %u does not exist for the listener", arguments.namespace_oid),
             errhint("If the schema was created in this transaction, commit it first.")));
  }
  influx::postgres::commit_transaction();
}

void leave(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->leave();
}

}  // namespace

INFLUX_WORKER(WorkerMain) {
  influx::worker::install_signal_handlers();
  auto* start_up = influx::postgres::make_in_context<StartUp>(TopMemoryContext);
  if (!start_up->attach(DatumGetUInt32(argument))) return;

  const LaunchArguments& arguments = start_up->arguments();
  Worker* worker = nullptr;
  start_up->run([&] {
    BackgroundWorkerInitializeConnectionByOid(arguments.database, arguments.role, 0);
    check_schema(arguments);
    worker = influx::postgres::make_in_context<Worker>(TopMemoryContext, arguments);
    worker->listen();
    before_shmem_exit(leave, PointerGetDatum(worker));
  });
  worker->run();
}
