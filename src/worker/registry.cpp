#include "influx/worker/registry.h"

#include <csignal>

#include "influx/postgres/compat.h"
#include "influx/transport/clock.h"

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

/// Entries beyond the number of worker slots, for supervised listeners that have no process.
constexpr int kWithoutProcess = 128;

int table_size() noexcept {
  return max_worker_processes + kWithoutProcess;
}

void make_table(void* memory) {
  auto* made = static_cast<Table*>(memory);
  made->tranche = LWLockNewTrancheId();
  LWLockInitialize(&made->lock, made->tranche);
  // A process takes one of the worker slots, and gives its entry back before that.
  made->size = table_size();
  for (Entry& entry : made->all())
    new (&entry) Entry;
}

Table& table() {
  static Table* mapped = nullptr;
  if (mapped == nullptr) {
    const Size size = add_size(offsetof(Table, entries),
                               mul_size(sizeof(Entry), static_cast<Size>(table_size())));
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

/// The entry of a token, or nullptr. REQUIRES: the lock.
Entry* find_entry(std::uint64_t token) noexcept {
  for (Entry& entry : table().all()) {
    if (entry.status.state != ListenerState::kNone && entry.status.arguments.token == token)
      return &entry;
  }
  return nullptr;
}

/// A free entry, or nullptr. REQUIRES: the lock.
Entry* find_free_entry() noexcept {
  for (Entry& entry : table().all()) {
    if (entry.status.state == ListenerState::kNone) return &entry;
  }
  return nullptr;
}

/// Runs `change`, which raises nothing, with the entry of a token, if there is one.
template <typename Change>
void with_entry(std::uint64_t token, Change&& change) {
  with_lock(LW_EXCLUSIVE, [&] {
    if (Entry* entry = find_entry(token)) change(*entry);
  });
}

Failure failure_now(int sqlstate, const char* message) noexcept {
  Failure failure;
  failure.sqlstate = sqlstate;
  failure.time = GetCurrentTimestamp();
  const int length =
      pg_mbcliplen(message, static_cast<int>(std::strlen(message)), sizeof(failure.message) - 1);
  std::memcpy(failure.message, message, static_cast<std::size_t>(length));
  return failure;
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

bool Registration::enter(const LaunchArguments& arguments) {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    entry_ = find_entry(arguments.token);
    found_ = entry_ != nullptr;
    if (!found_) {
      if (!arguments.supervised) entry_ = find_free_entry();
      if (entry_ == nullptr) return;
      entry_->status = {};
      write_counters(*entry_, {});
    }
    entry_->status.supervised.told_to_end = false;
    entry_->status.arguments = arguments;
    entry_->status.pid = MyProcPid;
    entry_->status.started = now;
    entry_->status.state = ListenerState::kStarting;
    base_ = read_counters(*entry_);
    base_.waiting = 0;
  });
  if (entry_ == nullptr && !arguments.supervised) {
    ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                    errmsg("the table of listeners is full"),
                    errhint("Raise max_worker_processes, or stop a listener.")));
  }
  return entered();
}

void Registration::note_restart() noexcept {
  with_lock(LW_EXCLUSIVE, [&] { ++entry_->status.restarts; });
}

void Registration::set_state(ListenerState state) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.state = state; });
}

void Registration::note_failure(int sqlstate, const char* message) noexcept {
  const Failure failure = failure_now(sqlstate, message);
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

const char* Registration::listener() const noexcept {
  return entry_->status.supervised.listener;  // the same as long as there is a process
}

void Registration::note_overrides(std::uint64_t overrides) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.supervised.overrides = overrides; });
}

void Registration::leave(ListenerState left) noexcept {
  if (entry_ == nullptr) return;
  const std::int64_t now_ns = transport::monotonic_ns();
  with_lock(LW_EXCLUSIVE, [&] {
    entry_->status.pid = 0;
    entry_->status.state = left;
    entry_->status.supervised.ended = true;
    entry_->status.supervised.ended_ns = now_ns;
  });
  entry_ = nullptr;
}

bool open_entry(const LaunchArguments& arguments, const char* listener, int ordinal) {
  bool opened = false;
  with_lock(LW_EXCLUSIVE, [&] {
    Entry* entry = find_free_entry();
    if (entry == nullptr) return;
    ListenerStatus& status = entry->status;
    status = {};
    write_counters(*entry, {});
    status.arguments = arguments;
    status.state = ListenerState::kStarting;
    strlcpy(status.supervised.listener, listener, sizeof(status.supervised.listener));
    status.supervised.ordinal = ordinal;
    status.supervised.ended = true;
    opened = true;
  });
  return opened;
}

void close_entry(std::uint64_t token) {
  with_entry(token, [](Entry& entry) {
    if (entry.status.pid == 0) entry.status.state = ListenerState::kNone;
  });
}

void close_entries(Oid database) {
  with_lock(LW_EXCLUSIVE, [&] {
    for (Entry& entry : table().all()) {
      ListenerStatus& status = entry.status;
      if (status.arguments.supervised && status.arguments.database == database && status.pid == 0)
        status.state = ListenerState::kNone;
    }
  });
}

void note_start(std::uint64_t token, std::uint64_t overrides) {
  with_entry(token, [&](Entry& entry) {
    ListenerStatus& status = entry.status;
    if (status.started != 0) ++status.restarts;
    status.state = ListenerState::kStarting;
    status.supervised.ended = false;
    status.supervised.overrides = overrides;
  });
}

void note_start_failure(std::uint64_t token, int sqlstate, const char* message) {
  const Failure failure = failure_now(sqlstate, message);
  const std::int64_t now_ns = transport::monotonic_ns();
  with_entry(token, [&](Entry& entry) {
    ListenerStatus& status = entry.status;
    status.state = ListenerState::kFailed;
    ++status.failures;
    status.failure = failure;
    status.supervised.ended = true;
    status.supervised.ended_ns = now_ns;
  });
}

// A process is there as long as its entry has its pid, and takes it out with the lock.

void tell_to_reload(std::uint64_t token) {
  with_entry(token, [](Entry& entry) {
    if (entry.status.pid != 0) kill(entry.status.pid, SIGHUP);
  });
}

void tell_to_end(std::uint64_t token) {
  with_entry(token, [](Entry& entry) {
    if (entry.status.pid == 0 || std::exchange(entry.status.supervised.told_to_end, true)) return;
    kill(entry.status.pid, SIGTERM);
  });
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
