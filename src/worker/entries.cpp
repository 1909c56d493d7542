#include "influx/worker/entries.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/text.h"

namespace influx::worker {

namespace {

/// Plain data and atomics.
struct Table {
  int tranche;
  TimestampTz made;
  LWLock lock;
  int size;
  Entry entries[FLEXIBLE_ARRAY_MEMBER];

  std::span<Entry> all() noexcept { return {entries, static_cast<std::size_t>(size)}; }
};

/// Another layout needs another name: the processes of a server may have loaded the module before
/// and after it was replaced.
constexpr const char* kSegment = "influx listeners 4";

/// For supervised listeners that have no process, beyond the number of worker slots.
constexpr int kWithoutProcess = 128;

int table_size() noexcept {
  // A process takes one of the worker slots, and gives its entry back before that.
  return most_supervised() + max_worker_processes;
}

void make_table(void* memory) {
  auto* made = static_cast<Table*>(memory);
  made->tranche = LWLockNewTrancheId();
  made->made = GetCurrentTimestamp();
  LWLockInitialize(&made->lock, made->tranche);
  made->size = table_size();
  for (Entry& entry : made->all())
    new (&entry) Entry;
}

Table& table() {
  static Table* mapped = nullptr;
  if (mapped == nullptr) {
    const Size size = add_size(offsetof(Table, entries),
                               mul_size(sizeof(Entry), static_cast<Size>(table_size())));
    mapped = static_cast<Table*>(postgres::named_segment(kSegment, size, make_table));
    LWLockRegisterTranche(mapped->tranche, "influx_listeners");
  }
  return *mapped;
}

}  // namespace

void Entry::clear() noexcept {
  status = {};
  claims.count = 0;
  counters.write({});
  batch_rows.clear();
  batch_microseconds.clear();
}

int most_supervised() noexcept {
  return max_worker_processes + kWithoutProcess;
}

std::span<Entry> entries() {
  return table().all();
}

TimestampTz table_made() {
  return table().made;
}

LWLock* entries_lock() {
  return &table().lock;
}

Entry* find_entry(std::uint64_t token) noexcept {
  for (Entry& entry : entries()) {
    if (!entry.is_free() && entry.status.arguments.token == token) return &entry;
  }
  return nullptr;
}

Entry* find_free_entry() noexcept {
  for (Entry& entry : entries()) {
    if (entry.is_free()) return &entry;
  }
  return nullptr;
}

void raise_table_full() {
  ereport(ERROR,
          (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED), errmsg("the table of listeners is full"),
           errhint("Raise max_worker_processes, or stop a listener.")));
  pg_unreachable();
}

Failure failure_now(int sqlstate, const char* message) noexcept {
  Failure failure;
  failure.sqlstate = sqlstate;
  failure.time = GetCurrentTimestamp();
  postgres::copy_cut(failure.message, message);
  return failure;
}

}  // namespace influx::worker
