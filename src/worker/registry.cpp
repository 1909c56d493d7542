#include "influx/worker/registry.h"

#include <csignal>

#include "influx/postgres/compat.h"
#include "influx/transport/clock.h"

namespace influx::worker {

using CounterArray = std::array<std::uint64_t, kCounters>;

namespace {

using SharedBuckets = std::array<std::atomic<std::uint64_t>, kBuckets>;

}  // namespace

/// An entry of the table.
struct Entry {
  /// Written under the table's lock. Its counts, `counters` and `batches`, are those at the last
  /// reset: what is shown is what was counted since.
  ListenerStatus status;
  /// Written by the listener without a lock: one that waits for a reader would lose datagrams.
  /// `edition` is odd while it writes, so that readers can tell a copy that does not fit together.
  std::atomic<std::uint32_t> edition{0};
  std::array<std::atomic<std::uint64_t>, kCounters> counters{};
  /// The same, but each number for itself.
  SharedBuckets batch_rows{};
  SharedBuckets batch_microseconds{};
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

/// Another layout needs another name: the processes of a server may have loaded the module before
/// and after it was replaced.
constexpr const char* kSegment = "influx listeners 2";

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
    mapped = static_cast<Table*>(postgres::named_segment(kSegment, size, make_table));
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

/// What an earlier process has counted, and this one.
Counters operator+(const Counters& earlier, const Counters& now) noexcept {
  auto values = std::bit_cast<CounterArray>(earlier);
  const auto added = std::bit_cast<CounterArray>(now);
  for (std::size_t i = 0; i < kCounters; ++i)
    values[i] += added[i];
  auto sum = std::bit_cast<Counters>(values);
  sum.waiting = now.waiting;
  sum.last_datagram_ns =
      now.last_datagram_ns != kNoTime ? now.last_datagram_ns : earlier.last_datagram_ns;
  sum.newest_point_ns = std::max(earlier.newest_point_ns, now.newest_point_ns);
  return sum;
}

/// What was counted since it was `before`.
Counters operator-(const Counters& now, const Counters& before) noexcept {
  auto values = std::bit_cast<CounterArray>(now);
  const auto taken = std::bit_cast<CounterArray>(before);
  for (std::size_t i = 0; i < kCounters; ++i)
    values[i] -= taken[i];
  auto difference = std::bit_cast<Counters>(values);
  difference.waiting = now.waiting;
  difference.last_datagram_ns = now.last_datagram_ns;
  difference.newest_point_ns = now.newest_point_ns;
  return difference;
}

/// Only the listener writes it, so this need not be one step.
void count(SharedBuckets& buckets, std::uint64_t value) noexcept {
  std::atomic<std::uint64_t>& bucket = buckets[bucket_of(value)];
  bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

BucketCounts read(const SharedBuckets& buckets) noexcept {
  BucketCounts counts;
  std::transform(buckets.begin(), buckets.end(), counts.begin(),
                 [](const auto& bucket) { return bucket.load(std::memory_order_relaxed); });
  return counts;
}

BucketCounts operator-(BucketCounts now, const BucketCounts& before) noexcept {
  std::transform(now.begin(), now.end(), before.begin(), now.begin(), std::minus<>());
  return now;
}

/// What a free entry is to look like for the next listener.
void clear(Entry& entry) noexcept {
  entry.status = {};
  write_counters(entry, {});
  for (SharedBuckets* buckets : {&entry.batch_rows, &entry.batch_microseconds}) {
    for (auto& bucket : *buckets)
      bucket.store(0, std::memory_order_relaxed);
  }
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
      clear(*entry_);
    }
    entry_->status.supervised.told_to_end = false;
    entry_->status.arguments = arguments;
    entry_->status.sockets = {};
    entry_->status.pid = MyProcPid;
    entry_->status.started = now;
    entry_->status.state = ListenerState::kStarting;
    base_ = read_counters(*entry_);
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

void Registration::set_sockets(std::string_view addresses, std::size_t read_buffer) noexcept {
  BoundSockets sockets;
  sockets.complete = addresses.size() < sizeof(sockets.addresses);
  if (!sockets.complete) {
    addresses = addresses.substr(0, sizeof(sockets.addresses) - 1);
    addresses = addresses.substr(0, addresses.rfind(','));
  }
  std::memcpy(sockets.addresses, addresses.data(), addresses.size());
  sockets.read_buffer = read_buffer;
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.sockets = sockets; });
}

void Registration::publish(const Counters& counted) noexcept {
  if (std::bit_cast<CounterArray>(counted) == std::bit_cast<CounterArray>(published_)) return;
  published_ = counted;
  write_counters(*entry_, base_ + counted);
}

void Registration::count_batch(std::uint64_t rows, std::uint64_t microseconds) noexcept {
  count(entry_->batch_rows, rows);
  count(entry_->batch_microseconds, microseconds);
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
    entry_->status.sockets = {};
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
    clear(*entry);
    ListenerStatus& status = entry->status;
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
      ListenerStatus& copy = copies[count++];
      copy = entry.status;
      copy.counters = read_counters(entry) - copy.counters;
      copy.batches.rows = read(entry.batch_rows) - copy.batches.rows;
      copy.batches.microseconds = read(entry.batch_microseconds) - copy.batches.microseconds;
    }
  });
  return {copies, count};
}

void reset_counters(Oid database) {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    for (Entry& entry : table().all()) {
      ListenerStatus& status = entry.status;
      if (status.state == ListenerState::kNone || status.arguments.database != database) continue;
      status.counters = read_counters(entry);
      // What waits has not been dealt with: it goes on to be a part of the lines.
      status.counters.lines = status.counters.stored + status.counters.rejected_lines();
      status.batches = {read(entry.batch_rows), read(entry.batch_microseconds)};
      status.restarts = 0;
      status.reset = now;
    }
  });
}

}  // namespace influx::worker
