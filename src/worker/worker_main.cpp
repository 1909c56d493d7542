// WorkerMain, the function that the postmaster starts for each listener.

#include <malloc.h>

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/transaction.h"
#include "influx/worker/lifecycle.h"
#include "influx/worker/overrides.h"
#include "influx/worker/role_watch.h"
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

/// A batch takes again what the one before has given back. Left to itself the C library returns
/// such amounts to the system, and each batch pays for fresh pages. There is no other thread yet.
void keep_freed_memory() noexcept {
#ifdef __GLIBC__
  constexpr int kLargestBlock = 32 * 1024 * 1024;  // the most that it may be told
  constexpr int kMostKept = 2 * kLargestBlock;
  mallopt(M_MMAP_THRESHOLD, kLargestBlock);  // NOLINT(concurrency-mt-unsafe)
  mallopt(M_TRIM_THRESHOLD, kMostKept);      // NOLINT(concurrency-mt-unsafe)
#endif
}

void leave(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->leave();
}

void close_sockets(int, Datum worker) {
  reinterpret_cast<Worker*>(DatumGetPointer(worker))->close();
}

}  // namespace

INFLUX_WORKER(WorkerMain) {
  keep_freed_memory();
  influx::worker::install_signal_handlers();
  auto* lifecycle = influx::postgres::make_in_context<Lifecycle>(TopMemoryContext);
  if (!lifecycle->begin(DatumGetUInt32(argument))) return;

  const LaunchArguments& arguments = lifecycle->arguments();
  Worker* worker = nullptr;
  influx::worker::start_write_watch();
  lifecycle->start([&] {
    influx::postgres::ignore_transaction_timeout();
    BackgroundWorkerInitializeConnectionByOid(arguments.database, arguments.role, 0);
    influx::worker::watch_roles();
    check_schema(arguments);
    influx::worker::take_overrides(arguments, lifecycle->registration(), true);
    worker = influx::postgres::make_in_context<Worker>(TopMemoryContext, arguments,
                                                       lifecycle->registration());
    before_shmem_exit(close_sockets, PointerGetDatum(worker));
    worker->listen();
    before_shmem_exit(leave, PointerGetDatum(worker));
  });
  influx::worker::stop_write_watch();
  lifecycle->run([&] { worker->run(); });
}
