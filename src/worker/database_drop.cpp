#include "influx/worker/database_drop.h"

#include <csignal>

#include "influx/postgres/compat.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/supervised_entries.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

namespace {

using transport::kNsPerMs;
using transport::kNsPerSecond;
using transport::monotonic_ns;

/// What the server itself waits for the sessions of a database, before it says that they are there.
constexpr std::int64_t kPatienceNs = 5 * kNsPerSecond;
constexpr std::int64_t kPauseNs = 10 * kNsPerMs;

ProcessUtility_hook_type next_utility_hook = nullptr;
object_access_hook_type next_access_hook = nullptr;

/// Of the last DROP DATABASE of this process, from its beginning to the check of rights.
bool forced = false;

bool has_force(const DropdbStmt* statement) {
  const ListCell* cell = nullptr;
  foreach (cell, statement->options) {
    if (std::strcmp(lfirst_node(DefElem, cell)->defname, "force") == 0) return true;
  }
  return false;
}

/// Whether the server would refuse to drop it further on.
bool is_template(Oid database) {
  HeapTuple tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(database));
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is = reinterpret_cast<Form_pg_database>(GETSTRUCT(tuple))->datistemplate;
  ReleaseSysCache(tuple);
  return is;
}

/// The processes that have been told to end. A pid counts until its process has left the list of
/// those that are connected, by which the server goes. Plain data, in a memory context.
struct Told {
  int* pids;
  int count;
  int room;

  void add(int pid) {
    for (int i = 0; i < count; ++i)
      if (pids[i] == pid) return;
    if (count == room) {
      room = std::max(16, 2 * room);
      const Size size = mul_size(sizeof(int), static_cast<Size>(room));
      pids = static_cast<int*>(pids == nullptr ? palloc(size) : repalloc(pids, size));
    }
    pids[count++] = pid;
  }
  bool all_gone(Oid database) const {
    for (int i = 0; i < count; ++i) {
      const PGPROC* process = BackendPidGetProc(pids[i]);
      if (process != nullptr && process->databaseId == database) return false;
    }
    return true;
  }
};

/// Tells all to end that runs in the database. The supervisor goes first: it starts no more then.
void tell_all_to_end(Oid database, std::span<const ListenerStatus> there, Told* told) {
  for (SupervisorSlot& slot : supervisors()) {
    const int pid = slot.pid.load();
    if (slot.database.load() != database || pid == 0) continue;
    const PGPROC* process = BackendPidGetProc(pid);
    if (process == nullptr || process->databaseId != database) continue;
    kill(pid, SIGTERM);
    told->add(pid);
  }
  for (const ListenerStatus& status : there) {
    if (status.arguments.database != database || status.pid == 0) continue;
    tell_to_end(status.arguments.token);
    told->add(status.pid);
    // One that is to follow it ends with it.
    if (status.successor.pid != 0) told->add(status.successor.pid);
  }
}

void stop_all(Oid database) {
  const std::int64_t deadline_ns = monotonic_ns() + kPatienceNs;
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx drop", ALLOCSET_DEFAULT_SIZES);
  MemoryContext before = MemoryContextSwitchTo(memory);
  MemoryContext turn = AllocSetContextCreate(memory, "influx drop turn", ALLOCSET_DEFAULT_SIZES);
  Told told{};
  do {
    CHECK_FOR_INTERRUPTS();
    const std::span<ListenerStatus> there = postgres::in_context(turn, [] { return listeners(); });
    tell_all_to_end(database, there, &told);
    MemoryContextReset(turn);
    if (told.all_gone(database)) break;
    wait_until(monotonic_ns() + kPauseNs, postgres::supervisor_wait_event());
  } while (monotonic_ns() < deadline_ns);
  MemoryContextSwitchTo(before);
  MemoryContextDelete(memory);
}

void on_utility(PlannedStmt* planned, const char* query, bool read_only_tree,
                ProcessUtilityContext context, ParamListInfo parameters,
                QueryEnvironment* environment, DestReceiver* destination,
                QueryCompletion* completion) {
  // Set anew by each of them, and so never left over from one that has failed.
  if (IsA(planned->utilityStmt, DropdbStmt))
    forced = has_force(reinterpret_cast<DropdbStmt*>(planned->utilityStmt));
  const auto next = next_utility_hook != nullptr ? next_utility_hook : standard_ProcessUtility;
  next(planned, query, read_only_tree, context, parameters, environment, destination, completion);
}

void on_object_access(ObjectAccessType access, Oid class_id, Oid object, int column,
                      void* argument) {
  if (next_access_hook != nullptr) next_access_hook(access, class_id, object, column, argument);
  if (access != OAT_DROP || class_id != DatabaseRelationId || !std::exchange(forced, false)) return;
  if (object != MyDatabaseId && !is_template(object)) stop_all(object);
}

}  // namespace

void watch_database_drops() {
  next_utility_hook = std::exchange(ProcessUtility_hook, on_utility);
  next_access_hook = std::exchange(object_access_hook, on_object_access);
}

}  // namespace influx::worker
