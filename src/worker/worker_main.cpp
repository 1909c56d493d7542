// WorkerMain, the function that the postmaster starts for each listener.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/memory.h"
#include "influx/postgres/session.h"
#include "influx/postgres/transaction.h"
#include "influx/worker/lifecycle.h"
#include "influx/worker/overrides.h"
#include "influx/worker/signals.h"
#include "influx/worker/worker.h"

namespace {

using influx::worker::LaunchArguments;
using influx::worker::Lifecycle;
using influx::worker::Worker;

/// The schema may have been dropped, or not be committed yet, while the worker was started; and
/// much may have changed before it is started again.
void check_schema(const LaunchArguments& arguments) {
  influx::postgres::begin_transaction();
  if (get_namespace_name(arguments.namespace_oid) == nullptr) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_SCHEMA),
             errmsg("schema with OID %u does not exist for the listener", arguments.namespace_oid),
             errhint("If the schema was created in this transaction, commit it first.")));
  }
  if (!influx::postgres::has_schema_privilege(arguments.namespace_oid, GetUserId(), ACL_USAGE)) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for schema %s",
                           get_namespace_name(arguments.namespace_oid))));
  }
  influx::postgres::commit_transaction();
}

void leave(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->leave();
}

void close_sockets(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->close();
}

void rescue(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->rescue();
}

void pass_on(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->pass_on();
}

}  // namespace

INFLUX_WORKER(WorkerMain) {
  influx::postgres::keep_freed_memory();
  influx::worker::install_signal_handlers();
  auto* lifecycle = influx::postgres::make_in_context<Lifecycle>(TopMemoryContext);
  if (!lifecycle->begin(DatumGetUInt32(argument))) return;

  const LaunchArguments& arguments = lifecycle->arguments();
  Worker* worker = nullptr;
  influx::worker::start_write_watch();
  const bool listens = lifecycle->start([&] {
    influx::postgres::ignore_transaction_timeout();
    influx::postgres::survive_errors();
    BackgroundWorkerInitializeConnectionByOid(arguments.database, arguments.role, 0);
    check_schema(arguments);
    influx::worker::take_overrides(arguments, lifecycle->registration(), true);
    worker = influx::postgres::make_in_context<Worker>(TopMemoryContext, arguments,
                                                       lifecycle->registration());
    on_proc_exit(pass_on, PointerGetDatum(worker));
    before_shmem_exit(close_sockets, PointerGetDatum(worker));
    if (!lifecycle->is_heir()) {
      worker->listen();
    } else if (!worker->inherit()) {
      return false;
    }
    // The last one first. An error in one of them ends it, and the next one follows.
    before_shmem_exit(leave, PointerGetDatum(worker));
    before_shmem_exit(rescue, PointerGetDatum(worker));
    return true;
  });
  influx::worker::stop_write_watch();
  if (!listens) return;
  lifecycle->run([&] { worker->run(); });
}
