#include "influx/worker/supervisors.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/restart_policy.h"

namespace influx::worker {

namespace {

static_assert(std::atomic<Oid>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

// Set in the postmaster, and so known to every process of the server.
bool preloaded = false;
bool memory_was_made = false;
int crashes = 0;                 ///< in a row
std::int64_t last_crash_ns = 0;  ///< on the monotonic clock
shmem_startup_hook_type next_startup_hook = nullptr;

constinit std::span<SupervisorSlot> mapped;

int crash_pause() noexcept {
  return seconds_to_restart(crashes, postgres::settings.restart_time);
}

/// Called in the postmaster when the server starts, and again when it has reset its memory.
void on_memory_made() {
  if (next_startup_hook != nullptr) next_startup_hook();
  if (!std::exchange(memory_was_made, true)) return;
  const std::int64_t now_ns = transport::monotonic_ns();
  const std::int64_t well_seconds = (now_ns - last_crash_ns) / 1'000'000'000 - crash_pause();
  crashes = crashes > 0 && well_seconds <= kRecoveredAfter ? crashes + 1 : 1;
  last_crash_ns = now_ns;
}

void make_slots(void* memory) {
  auto* slots = static_cast<SupervisorSlot*>(memory);
  const int count = list_length(supervised_databases());
  for (int i = 0; i < count; ++i)
    new (slots + i) SupervisorSlot;
}

void register_supervisor(const char* database, int slot) {
  BackgroundWorker worker =
      background_worker("SupervisorMain", "influx supervisor", kSupervisorRestartTime);
  snprintf(worker.bgw_name, sizeof(worker.bgw_name), "influx supervisor of database %s", database);
  worker.bgw_main_arg = Int32GetDatum(slot);
  strlcpy(worker.bgw_extra, database, sizeof(worker.bgw_extra));
  RegisterBackgroundWorker(&worker);
}

}  // namespace

void register_supervisors() {
  preloaded = true;
  next_startup_hook = std::exchange(shmem_startup_hook, on_memory_made);
  if (IsBinaryUpgrade) return;
  int slot = 0;
  const ListCell* cell = nullptr;
  foreach (cell, supervised_databases()) {
    register_supervisor(static_cast<const char*>(lfirst(cell)), slot++);
  }
}

bool is_preloaded() noexcept {
  return preloaded;
}

int crashes_in_a_row() noexcept {
  return crashes;
}

List* supervised_databases() {
  List* names = NIL;
  List* databases = NIL;
  // The server has checked the syntax when it was set.
  if (!postgres::split_list(postgres::settings.databases, &names)) return NIL;
  const ListCell* cell = nullptr;
  foreach (cell, names) {
    const auto* name = static_cast<const char*>(lfirst(cell));
    bool found = false;
    const ListCell* other = nullptr;
    foreach (other, databases) {
      found = found || std::strcmp(name, static_cast<const char*>(lfirst(other))) == 0;
    }
    if (!found) databases = lappend(databases, lfirst(cell));
  }
  return databases;
}

std::span<SupervisorSlot> supervisors() {
  if (!preloaded || !mapped.empty()) return mapped;
  const auto count = static_cast<Size>(list_length(supervised_databases()));
  if (count == 0) return mapped;
  void* memory = postgres::named_segment("influx supervisors",
                                         mul_size(sizeof(SupervisorSlot), count), make_slots);
  mapped = {static_cast<SupervisorSlot*>(memory), count};
  return mapped;
}

void wake_supervisor(Oid database, bool changed) noexcept {
  for (SupervisorSlot& slot : mapped) {
    if (slot.database.load() != database) continue;
    if (changed) slot.changes.fetch_add(1);
    const int pid = slot.pid.load();
    PGPROC* process = pid == 0 ? nullptr : BackendPidGetProc(pid);
    if (process != nullptr) SetLatch(&process->procLatch);
  }
}

}  // namespace influx::worker
