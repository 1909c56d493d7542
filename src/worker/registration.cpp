#include "influx/worker/registration.h"

#include "influx/transport/clock.h"
#include "influx/worker/entries.h"

namespace influx::worker {

namespace {

/// Whether a process that was to follow another one is still of use where nobody awaits it: where
/// it was started again after it had followed, or after a crash.
bool has_followed(const LaunchArguments& arguments, const Entry* entry) {
  if (arguments.succession == 0) return true;
  if (entry != nullptr) return entry->status.arguments.succession == arguments.succession;
  return arguments.table_made != table_made();
}

}  // namespace

Registration::Admission Registration::enter(const LaunchArguments& arguments) {
  Admission admission = Admission::kNone;
  bool is_full = false;
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    Entry* entry = find_entry(arguments.token);
    found_ = entry != nullptr;
    if (found_ && entry->status.pid != 0) {
      Successor& successor = entry->status.successor;
      // Of two that were registered when the server crashed, the second one is one too many.
      if (arguments.succession == 0 || successor.succession != arguments.succession) return;
      successor.pid = MyProcPid;
      inheritance_ = entry;
      arguments_ = arguments;
      predecessor_ = entry->status.pid;
      admission = Admission::kHeir;
    } else {
      if (!has_followed(arguments, entry) || (!found_ && arguments.supervised)) return;
      if (!found_) {
        entry = find_free_entry();
        is_full = entry == nullptr;
        if (is_full) return;
        entry->clear();
      }
      entry->status.supervised.told_to_end = false;
      entry->status.arguments = arguments;
      entry->status.sockets = {};
      entry->claims.count = 0;
      entry->status.started = now;
      entry->status.state = ListenerState::kStarting;
      entry_ = entry;
      become_owner();
      admission = Admission::kEntered;
    }
    strlcpy(listener_, entry->status.supervised.listener, sizeof(listener_));
  });
  if (is_full) raise_table_full();
  return admission;
}

/// What a process finds in its entry. REQUIRES: the lock.
void Registration::become_owner() noexcept {
  entry_->status.pid = MyProcPid;
  entry_->status.successor = {};
  base_ = entry_->counters.read();
}

void Registration::note_restart() noexcept {
  with_lock(LW_EXCLUSIVE, [&] { ++entry_->status.restarts; });
}

void Registration::set_state(ListenerState state) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.state = state; });
}

void Registration::note_failure(int sqlstate, const char* message) noexcept {
  if (entry_ == nullptr) return;
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

bool Registration::claim(std::span<const transport::EndpointKey> wanted,
                         Claimant* claimant) noexcept {
  const Entry* holder = nullptr;
  with_lock(LW_EXCLUSIVE, [&] {
    for (const transport::EndpointKey& endpoint : wanted) {
      for (const Entry& entry : entries()) {
        if (entry.is_free() || is_same_listener(entry.status.arguments, entry_->status.arguments)) {
          continue;
        }
        for (const transport::EndpointKey& claimed : entry.claims.all()) {
          if (!claimed.overlaps(endpoint)) continue;
          claimant->arguments = entry.status.arguments;
          strlcpy(claimant->listener, entry.status.supervised.listener, sizeof(claimant->listener));
          claimant->its_own = claimed;
          claimant->asked_for = endpoint;
          holder = &entry;
          return;
        }
      }
    }
    for (const transport::EndpointKey& endpoint : wanted)
      entry_->claims.add(endpoint);
  });
  return holder == nullptr;
}

void Registration::keep_claims(std::span<const transport::EndpointKey> bound) noexcept {
  with_lock(LW_EXCLUSIVE, [&] {
    entry_->claims.count = 0;
    for (const transport::EndpointKey& endpoint : bound)
      entry_->claims.add(endpoint);
  });
}

void Registration::publish(const Counters& counted) noexcept {
  if (entry_ == nullptr || counted == published_) return;
  published_ = counted;
  entry_->counters.write(base_ + counted);
}

void Registration::count_batch(std::uint64_t rows, std::uint64_t microseconds) noexcept {
  entry_->batch_rows.count(rows);
  entry_->batch_microseconds.count(microseconds);
}

void Registration::note_overrides(std::uint64_t overrides) noexcept {
  if (entry_ == nullptr) return;
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.supervised.overrides = overrides; });
}

void Registration::leave(ListenerState left) noexcept {
  if (entry_ == nullptr) return;
  const std::int64_t now_ns = transport::monotonic_ns();
  with_lock(LW_EXCLUSIVE, [&] {
    entry_->status.pid = 0;
    entry_->status.successor = {};
    entry_->status.sockets = {};
    entry_->claims.count = 0;
    entry_->status.state = left;
    entry_->status.supervised.ended = true;
    entry_->status.supervised.ended_ns = now_ns;
  });
  entry_ = nullptr;
}

void Registration::await_successor(const Successor& successor) noexcept {
  with_lock(LW_EXCLUSIVE, [&] { entry_->status.successor = successor; });
}

bool Registration::is_own() const noexcept {
  bool is_own = false;
  with_lock(LW_SHARED, [&] { is_own = entry_ != nullptr && entry_->status.pid == MyProcPid; });
  return is_own;
}

bool Registration::await_nobody() noexcept {
  bool is_own = false;
  with_lock(LW_EXCLUSIVE, [&] {
    is_own = entry_ != nullptr && entry_->status.pid == MyProcPid;
    if (is_own) entry_->status.successor = {};
  });
  if (!is_own) entry_ = nullptr;
  return is_own;
}

/// Of an heir. REQUIRES: the lock.
bool Registration::is_awaited() const noexcept {
  const ListenerStatus& status = inheritance_->status;
  // An entry that was left may be another listener's by now.
  return !inheritance_->is_free() && status.arguments.token == arguments_.token &&
         status.pid == predecessor_ && status.successor.succession == arguments_.succession;
}

int Registration::predecessor() const noexcept {
  bool is_there = false;
  with_lock(LW_SHARED, [&] { is_there = inheritance_ != nullptr && is_awaited(); });
  return is_there ? predecessor_ : 0;
}

bool Registration::take_over(Successor* taken) noexcept {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    // A process that was told to end does so itself.
    if (!is_awaited() || inheritance_->status.supervised.told_to_end) return;
    entry_ = inheritance_;
    *taken = entry_->status.successor;
    entry_->status.arguments = arguments_;
    entry_->status.started = now;
    ++entry_->status.restarts;
    become_owner();
  });
  return entered();
}

}  // namespace influx::worker
