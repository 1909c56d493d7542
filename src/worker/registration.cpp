#include "influx/worker/registration.h"

#include "influx/transport/clock.h"
#include "influx/worker/entries.h"

namespace influx::worker {

bool Registration::enter(const LaunchArguments& arguments) {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    entry_ = find_entry(arguments.token);
    found_ = entry_ != nullptr;
    if (!found_) {
      if (!arguments.supervised) entry_ = find_free_entry();
      if (entry_ == nullptr) return;
      entry_->clear();
    }
    entry_->status.supervised.told_to_end = false;
    entry_->status.arguments = arguments;
    entry_->status.sockets = {};
    entry_->claims.count = 0;
    entry_->status.pid = MyProcPid;
    entry_->status.started = now;
    entry_->status.state = ListenerState::kStarting;
    base_ = entry_->counters.read();
  });
  if (entry_ == nullptr && !arguments.supervised) raise_table_full();
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
  if (counted == published_) return;
  published_ = counted;
  entry_->counters.write(base_ + counted);
}

void Registration::count_batch(std::uint64_t rows, std::uint64_t microseconds) noexcept {
  entry_->batch_rows.count(rows);
  entry_->batch_microseconds.count(microseconds);
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
    entry_->claims.count = 0;
    entry_->status.state = left;
    entry_->status.supervised.ended = true;
    entry_->status.supervised.ended_ns = now_ns;
  });
  entry_ = nullptr;
}

}  // namespace influx::worker
