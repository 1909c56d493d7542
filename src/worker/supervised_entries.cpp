#include "influx/worker/supervised_entries.h"

#include <csignal>

#include "influx/transport/clock.h"
#include "influx/worker/entries.h"

namespace influx::worker {

namespace {

/// Runs `change`, which raises nothing, with the entry of a token, if there is one.
template <typename Change>
void with_entry(std::uint64_t token, Change&& change) {
  with_lock(LW_EXCLUSIVE, [&] {
    if (Entry* entry = find_entry(token)) change(*entry);
  });
}

/// How many entries are of supervised listeners, of all databases. REQUIRES: the lock.
int count_supervised() noexcept {
  int count = 0;
  for (const Entry& entry : entries()) {
    if (!entry.is_free() && entry.status.arguments.supervised) ++count;
  }
  return count;
}

}  // namespace

bool open_entry(const LaunchArguments& arguments, const char* listener, int ordinal) {
  bool opened = false;
  with_lock(LW_EXCLUSIVE, [&] {
    Entry* entry = count_supervised() < most_supervised() ? find_free_entry() : nullptr;
    if (entry == nullptr) return;
    entry->clear();
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
    for (Entry& entry : entries()) {
      ListenerStatus& status = entry.status;
      if (status.arguments.supervised && status.arguments.database == database && status.pid == 0)
        status.state = ListenerState::kNone;
    }
  });
}

Excess note_start(std::uint64_t token, std::uint64_t overrides, const ProcessLimits& limits) {
  Excess beyond = Excess::kNone;
  with_entry(token, [&](Entry& entry) {
    ListenerStatus& status = entry.status;
    beyond = excess(status.arguments.role, limits);
    if (beyond != Excess::kNone) return;
    if (status.started != 0) ++status.restarts;
    status.state = ListenerState::kStarting;
    status.supervised.ended = false;
    status.supervised.overrides = overrides;
  });
  return beyond;
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

}  // namespace influx::worker
