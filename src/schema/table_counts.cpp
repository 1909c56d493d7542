#include "influx/schema/table_counts.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/counts_in_transaction.h"
#include "influx/schema/prepared_counts.h"

namespace influx::schema {

namespace {

/// A database and a table in it.
using Key = std::uint64_t;
constexpr Key kFree = 0;
/// The table is gone; those behind it are still found past it.
constexpr Key kRemoved = UINT64_MAX;

Key key_of(Oid database, Oid table) noexcept {
  return (Key{database} << 32) | table;
}
Key key_of(Oid table) noexcept {
  return key_of(MyDatabaseId, table);
}
Oid database_of(Key key) noexcept {
  return static_cast<Oid>(key >> 32);
}
Oid table_of(Key key) noexcept {
  return static_cast<Oid>(key);
}

struct Slot {
  std::atomic<Key> key{kFree};
  std::atomic<std::uint64_t> points{0};
  std::atomic<std::uint64_t> rejects{0};
  std::atomic<std::uint64_t> columns{0};
  std::atomic<TimestampTz> last_insert{0};

  void clear() noexcept {
    points.store(0, std::memory_order_relaxed);
    rejects.store(0, std::memory_order_relaxed);
    columns.store(0, std::memory_order_relaxed);
    last_insert.store(0, std::memory_order_relaxed);
  }
};

/// Many more than the tables, so that the way to a slot stays short.
constexpr std::uint32_t kSlots = 32768;
static_assert((kSlots & (kSlots - 1)) == 0 && kSlots > kMostCountedTables);

/// In shared memory: plain data and atomics. Who counts holds the lock in shared mode, and in
/// exclusive mode to give a slot to a table or to take it away. Who looks takes no lock, so that
/// nobody who counts waits for it.
struct SharedTable {
  int tranche;
  LWLock lock;
  std::uint32_t used;  ///< slots with a table; under the lock
  Slot slots[kSlots];
};

constexpr const char* kSegment = "influx tables";

void make_table(void* memory) {
  auto* made = static_cast<SharedTable*>(memory);
  made->tranche = LWLockNewTrancheId();
  LWLockInitialize(&made->lock, made->tranche);
  made->used = 0;
  for (Slot& slot : made->slots)
    new (&slot) Slot;
}

// Of this process.
SharedTable* shared = nullptr;
CountsInTransaction* uncommitted = nullptr;
bool cannot_count = false;  ///< it was tried
bool lacks_room = false;

SharedTable& attached() {
  if (shared == nullptr) {
    auto* mapped = static_cast<SharedTable*>(
        postgres::named_segment(kSegment, sizeof(SharedTable), make_table));
    LWLockRegisterTranche(mapped->tranche, "influx_tables");
    shared = mapped;
  }
  return *shared;
}

std::uint32_t next(std::uint32_t slot) noexcept {
  return (slot + 1) % kSlots;
}

std::uint32_t first_slot(Key key) noexcept {
  // The tables of a database differ in the lower bits: these are spread to the upper ones.
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15;
  return static_cast<std::uint32_t>((key * kGolden) >> 49);
}
static_assert(kSlots == 1U << (64 - 49));

/// The slot of a table, or null. REQUIRES: the lock.
Slot* find(Key key) noexcept {
  std::uint32_t at = first_slot(key);
  for (std::uint32_t looked = 0; looked < kSlots; ++looked, at = next(at)) {
    Slot& slot = shared->slots[at];
    const Key found = slot.key.load(std::memory_order_relaxed);
    if (found == key) return &slot;
    if (found == kFree) return nullptr;
  }
  return nullptr;
}

/// The slot of a table, which is given one; null where none is left. REQUIRES: the lock in
/// exclusive mode.
Slot* find_or_take(Key key) noexcept {
  Slot* slot = find(key);
  if (slot != nullptr) return slot;
  if (shared->used >= kMostCountedTables) return nullptr;
  std::uint32_t at = first_slot(key);
  for (;; at = next(at)) {
    slot = &shared->slots[at];
    const Key found = slot->key.load(std::memory_order_relaxed);
    if (found == kFree || found == kRemoved) break;
  }
  slot->clear();
  slot->key.store(key, std::memory_order_release);
  ++shared->used;
  return slot;
}

/// Takes the slot away from a table. REQUIRES: the lock in exclusive mode.
void remove(Key key) noexcept {
  Slot* slot = find(key);
  if (slot == nullptr) return;
  --shared->used;
  slot->key.store(kRemoved, std::memory_order_release);
  // Where nothing comes behind, nothing has to be found past it.
  auto at = static_cast<std::uint32_t>(slot - shared->slots);
  if (shared->slots[next(at)].key.load(std::memory_order_relaxed) != kFree) return;
  while (shared->slots[at].key.load(std::memory_order_relaxed) == kRemoved) {
    shared->slots[at].key.store(kFree, std::memory_order_relaxed);
    at = (at + kSlots - 1) % kSlots;
  }
}

/// Runs `change` for the slot of a table, if there is one for it.
template <typename Change>
void change_slot(Key key, Change&& change) noexcept {
  LWLockAcquire(&shared->lock, LW_SHARED);
  Slot* slot = find(key);
  if (slot != nullptr) change(*slot);
  LWLockRelease(&shared->lock);
  if (slot != nullptr) return;

  LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
  slot = find_or_take(key);
  if (slot != nullptr) change(*slot);
  LWLockRelease(&shared->lock);
  if (slot == nullptr) lacks_room = true;
}

/// What a transaction has done that has committed. `when` is the time of that, as far as it is
/// known.
void add_committed(Key key, const CountsInTransaction::Counts& counts, TimestampTz when) noexcept {
  change_slot(key, [&](Slot& slot) {
    slot.points.fetch_add(counts.points, std::memory_order_relaxed);
    slot.columns.fetch_add(counts.columns, std::memory_order_relaxed);
    if (counts.points == 0) return;
    TimestampTz last = slot.last_insert.load(std::memory_order_relaxed);
    while (last < when &&
           !slot.last_insert.compare_exchange_weak(last, when, std::memory_order_relaxed)) {
    }
  });
}

void add_committed_later(const PreparedCounts& counts) {
  add_committed(key_of(counts.database, counts.table), {counts.points, counts.columns},
                counts.prepared);
}

/// The transaction has been prepared, and is no concern of this process any more.
void keep_prepared() noexcept {
  uncommitted->for_each([&](Oid table, const CountsInTransaction::Counts& counts) {
    keep_prepared_counts({GetTopFullTransactionIdIfAny(), MyDatabaseId, table, counts.points,
                          counts.columns, GetCurrentTimestamp()});
  });
}

// Called by the server at the ends of transactions: they raise nothing, but where that is said.

void on_transaction_end(XactEvent event, void*) {
  if (uncommitted == nullptr || uncommitted->empty()) return;
  switch (event) {
    case XACT_EVENT_COMMIT:
      uncommitted->for_each([](Oid table, const CountsInTransaction::Counts& counts) {
        add_committed(key_of(table), counts, GetCurrentTransactionStopTimestamp());
      });
      uncommitted->clear();
      break;
    case XACT_EVENT_PRE_PREPARE:
      // Here an error is allowed; behind it none is.
      if (!has_room_for_prepared_counts(uncommitted->size())) {
        settle_prepared_counts(add_committed_later);
      }
      break;
    case XACT_EVENT_PREPARE:
      keep_prepared();
      uncommitted->clear();
      break;
    case XACT_EVENT_ABORT:
      uncommitted->clear();
      break;
    default:
      break;
  }
}

void on_subtransaction_end(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
  if (uncommitted == nullptr || uncommitted->empty()) return;
  if (event == SUBXACT_EVENT_COMMIT_SUB) uncommitted->commit(GetCurrentTransactionNestLevel());
  if (event == SUBXACT_EVENT_ABORT_SUB) uncommitted->roll_back(GetCurrentTransactionNestLevel());
}

/// The keys of all slots with a table.
std::span<Key> all_keys() {
  auto* keys = static_cast<Key*>(palloc(sizeof(Key) * kSlots));
  std::size_t count = 0;
  for (const Slot& slot : attached().slots) {
    const Key key = slot.key.load(std::memory_order_relaxed);
    if (key != kFree && key != kRemoved) keys[count++] = key;
  }
  return {keys, count};
}

bool is_dropped(Key key) {
  if (database_of(key) == MyDatabaseId) return !postgres::relation_exists(table_of(key));
  return !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(database_of(key)));
}

void count_uncommitted(Oid table, const CountsInTransaction::Counts& counts) noexcept {
  if (uncommitted == nullptr) return;
  try {
    uncommitted->add(table, counts, GetCurrentTransactionNestLevel());
  } catch (const std::bad_alloc&) {
    return;  // not worth a transaction
  }
}

}  // namespace

void start_counting_tables() {
  if (uncommitted != nullptr || cannot_count) return;
  cannot_count = true;
  ErrorData* error = postgres::in_subtransaction([] {
    attached();
    start_keeping_prepared_counts();
    auto* made = new (std::nothrow) CountsInTransaction;
    if (made == nullptr) {
      ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
    }
    RegisterXactCallback(on_transaction_end, nullptr);
    RegisterSubXactCallback(on_subtransaction_end, nullptr);
    uncommitted = made;
  });
  if (error == nullptr) return;
  ereport(LOG, (errcode(error->sqlerrcode),
                errmsg("influx: this process does not count what it stores in tables: %s",
                       error->message)));
}

void count_points(Oid table, std::uint64_t points) noexcept {
  count_uncommitted(table, {points, 0});
}

void count_columns(Oid table, std::uint64_t columns) noexcept {
  count_uncommitted(table, {0, columns});
}

void count_rejects(Oid table, std::uint64_t lines) noexcept {
  if (shared == nullptr) return;
  change_slot(key_of(table),
              [&](Slot& slot) { slot.rejects.fetch_add(lines, std::memory_order_relaxed); });
}

bool lacks_room_for_tables() noexcept {
  return lacks_room;
}

void remove_dropped_tables() {
  lacks_room = false;
  settle_prepared_counts(add_committed_later);
  for (const Key key : all_keys()) {
    if (!is_dropped(key)) continue;
    LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
    remove(key);
    LWLockRelease(&shared->lock);
  }
}

std::span<TableCounts> table_counts() {
  SharedTable& table = attached();
  settle_prepared_counts(add_committed_later);
  auto* copies = static_cast<TableCounts*>(palloc(sizeof(TableCounts) * kMostCountedTables));
  std::size_t count = 0;
  for (const Slot& slot : table.slots) {
    const Key key = slot.key.load(std::memory_order_acquire);
    if (key == kFree || key == kRemoved || database_of(key) != MyDatabaseId) continue;
    const TableCounts copy{table_of(key), slot.points.load(std::memory_order_relaxed),
                           slot.rejects.load(std::memory_order_relaxed),
                           slot.columns.load(std::memory_order_relaxed),
                           slot.last_insert.load(std::memory_order_relaxed)};
    std::atomic_thread_fence(std::memory_order_acquire);
    // Else the slot has been given to another table meanwhile.
    if (slot.key.load(std::memory_order_relaxed) != key || count == kMostCountedTables) continue;
    copies[count++] = copy;
  }
  return {copies, count};
}

void reset_table_counts() {
  SharedTable& table = attached();
  settle_prepared_counts(add_committed_later);
  LWLockAcquire(&table.lock, LW_EXCLUSIVE);
  for (Slot& slot : table.slots) {
    const Key key = slot.key.load(std::memory_order_relaxed);
    if (key != kFree && key != kRemoved && database_of(key) == MyDatabaseId) slot.clear();
  }
  LWLockRelease(&table.lock);
}

}  // namespace influx::schema
