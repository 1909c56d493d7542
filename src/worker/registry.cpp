#include "influx/worker/registry.h"

#include "influx/postgres/compat.h"

namespace influx::worker {

using CounterArray = std::array<std::uint64_t, kCounters>;

/// An entry of the table.
struct Entry {
  /// Written under the table's lock. Its counters are not used; see below.
  ListenerStatus status;
  /// Written by the listener without a lock: one that waits for a reader would lose datagrams.
  /// `edition` is odd while it writes, so that readers can tell a copy that does not fit together.
  std::atomic<std::uint32_t> edition{0};
  std::array<std::atomic<std::uint64_t>, kCounters> counters{};
};

namespace {

/// Plain data and atomics; the lock is held for copying only, and never across what may raise.
struct Table {
  int tranche;
  LWLock lock;
  int size;
  Entry entries[FLEXIBLE_ARRAY_MEMBER];

  std::span<Entry> all() noexcept { return {entries, static_cast<std::size_t>(size)}; }
};

/// A listener writes its counters in less time than this takes, unless it was put to sleep.
constexpr int kMostLooks = 100;
constexpr long kLookAgainUs = 10;

void make_table(void* memory) {
  auto* made = static_cast<Table*>(memory);
  made->tranche = LWLockNewTrancheId();
  LWLockInitialize(&made->lock, made->tranche);
  // Each takes one of the worker slots, and gives its entry back before that.
  made->size = max_worker_processes;
  for (Entry& entry : made->all())
    new (&entry) Entry;
}

Table& table() {
  static Table* mapped = nullptr;
  if (mapped == nullptr) {
    const Size size = add_size(offsetof(Table, entries),
                               mul_size(sizeof(Entry), static_cast<Size>(max_worker_processes)));
    mapped = static_cast<Table*>(postgres::named_segment("influx listeners", size, make_table));
    LWLockRegisterTranche(mapped->tranche, "influx_listeners");
  }
  return *mapped;
}

/// Runs `change`, which raises nothing, with the table locked.
template <typename Change>
void with_lock(LWLockMode mode, Change&& change) {
  LWLock* lock = &table().lock;
  LWLockAcquire(lock, mode);
  change();
  LWLockRelease(lock);
}

void write_counters(Entry& entry, const Counters& counters) noexcept {
  const auto values = std::bit_cast<CounterArray>(counters);
  const std::uint32_t edition = entry.edition.load(std::memory_order_relaxed);
  entry.edition.store(edition + 1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_release);
  for (std::size_t i = 0; i < kCounters; ++i)
    entry.counters[i].store(values[i], std::memory_order_relaxed);
  entry.edition.store(edition + 2, std::memory_order_release);
}

Counters read_counters(const Entry& entry) noexcept {
  CounterArray values{};
  for (int look = 1; look <= kMostLooks; ++look) {
    const std::uint32_t before = entry.edition.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < kCounters; ++i)
      values[i] = entry.counters[i].load(std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_acquire);
    if (before % 2 == 0 && before == entry.edition.load(std::memory_order_relaxed)) break;
    pg_usleep(kLookAgainUs);
  }
  return std::bit_cast<Counters>(values);
}

Counters operator+(const Counters& left, const Counters& right) noexcept {
  auto sum = std::bit_cast<CounterArray>(left);
  const auto added = std::bit_cast<CounterArray>(right);
  for (std::size_t i = 0; i < kCounters; ++i)
    sum[i] += added[i];
  return std::bit_cast<Counters>(sum);
}

}  // namespace

void Registration::enter(const LaunchArguments& arguments) {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    Entry* free_entry = nullptr;
    for (Entry& entry : table().all()) {
      if (entry.status.state == ListenerState::kNone) {
        if (free_entry == nullptr) free_entry = &entry;
      } else if (entry.status.arguments.token == arguments.token) {
        entry_ = &entry;
      }
    }
    found_ = entry_ != nullptr;
    if (!found_) {
      if (free_entry == nullptr) return;
      entry_ = free_entry;
      entry_->status = {};
      write_counters(*entry_, {});
    }
    entry_->status.arguments = arguments;
    entry_->status.pid = MyProcPid;
    entry_->status.started = now;
    entry_->status.state = ListenerState::kStarting;
    base_ = read_counters(*entry_);
    base_.waiting = 0;
  });
  if (entry_ == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                    errmsg("the table of listeners is full"),
                    errhint("Raise max_worker_processes, or stop a listener.")));
  }
}

void Registration::note_restart() noexcept {
  with_lock(LW_EXCLUSIVE, [&] { ++entry_->status.restarts; });
}

void Registration::set_state(ListenerState state) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.state = state; });
}

void Registration::note_failure(int sqlstate, const char* message) noexcept {
  Failure failure;
  failure.sqlstate = sqlstate;
  failure.time = GetCurrentTimestamp();
  const int length =
      pg_mbcliplen(message, static_cast<int>(std::strlen(message)), sizeof(failure.message) - 1);
  std::memcpy(failure.message, message, static_cast<std::size_t>(length));
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.failure = failure; });
}

int Registration::failures() const noexcept {
  return entry_->status.failures;  // only this process writes it
}

void Registration::set_failures(int failures) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.failures = failures; });
}

void Registration::publish(const Counters& counted) noexcept {
  if (std::bit_cast<CounterArray>(counted) == std::bit_cast<CounterArray>(published_)) return;
  published_ = counted;
  write_counters(*entry_, base_ + counted);
}

void Registration::leave(bool keep) noexcept {
  if (entry_ == nullptr) return;
  with_lock(LW_EXCLUSIVE, [&] {
    entry_->status.pid = 0;
    entry_->status.state = keep ? ListenerState::kFailed : ListenerState::kNone;
  });
  entry_ = nullptr;
}

std::span<ListenerStatus> listeners() {
  const auto size = static_cast<std::size_t>(table().size);
  auto* copies = static_cast<ListenerStatus*>(palloc(sizeof(ListenerStatus) * size));
  std::size_t count = 0;
  with_lock(LW_SHARED, [&] {
    for (const Entry& entry : table().all()) {
      if (entry.status.state == ListenerState::kNone) continue;
      copies[count] = entry.status;
      copies[count].counters = read_counters(entry);
      ++count;
    }
  });
  return {copies, count};
}

}  // namespace influx::worker
