#pragma once

#include "influx/worker/claims.h"
#include "influx/worker/registry.h"
#include "influx/worker/shared_counters.h"

namespace influx::worker {

// The table behind worker/registry, for those alone that look after its entries.

/// An entry of the table.
struct Entry {
  /// Written under the table's lock. Its counts, `counters` and `batches`, are those at the last
  /// reset: what is shown is what was counted since.
  ListenerStatus status;
  /// Of its process, written under the table's lock by that alone.
  Claims claims;
  // Written by the listener without a lock.
  SharedCounters counters;
  SharedBuckets batch_rows;
  SharedBuckets batch_microseconds;

  bool is_free() const noexcept { return status.state == ListenerState::kNone; }
  BatchCounts batches() const noexcept { return {batch_rows.read(), batch_microseconds.read()}; }
  /// Forgets all of the listener before. REQUIRES: the table's lock, and no process in the entry.
  void clear() noexcept;
};

/// How many entries supervised listeners may have. Beyond them there is one for each worker slot of
/// the server, so that rows of a table never take the place of what worker_launch() starts.
int most_supervised() noexcept;

/// All entries. Attaches to shared memory with the first call in a process, and may raise there.
std::span<Entry> entries();
/// When the table was made: as the server started, or after a crash.
TimestampTz table_made();
/// The lock of all entries; it is held for copying only, and never across what may raise.
LWLock* entries_lock();

/// Runs `change`, which raises nothing, with the table locked.
template <typename Change>
void with_lock(LWLockMode mode, Change&& change) {
  LWLock* lock = entries_lock();
  LWLockAcquire(lock, mode);
  change();
  LWLockRelease(lock);
}

// All REQUIRE the lock.

/// The entry of a token, or nullptr.
Entry* find_entry(std::uint64_t token) noexcept;
/// A free entry, or nullptr.
Entry* find_free_entry() noexcept;

/// Raises that there is no free entry. REQUIRES: no lock.
[[noreturn]] void raise_table_full();

/// The error `message`, met now. It is cut where there is no room for it.
Failure failure_now(int sqlstate, const char* message) noexcept;

}  // namespace influx::worker
