#include "influx/worker/worker_transactions.h"

#include "influx/ingest/attempt.h"
#include "influx/postgres/probe.h"
#include "influx/postgres/session.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"
#include "influx/worker/signals.h"

namespace influx::worker {

namespace {

/// The server ends an autovacuum that a session waits for after deadlock_timeout. Who has set that
/// to very long gets no such wait from us: others wait behind it.
constexpr int kBeyondDeadlockTimeoutMs = 500;
constexpr int kLongestLockWaitMs = 5000;

/// How long the server is taken to be well after it was found so: many tables may be in trouble.
constexpr std::int64_t kProbeNs = transport::kNsPerSecond;

}  // namespace

void WorkerTransactions::start_batch() noexcept {
  lock_wait_ms_ = postgres::settings.lock_timeout;
  postgres::set_lock_wait(lock_wait_ms_);
}

void WorkerTransactions::stop_waiting() noexcept {
  lock_wait_ms_ = 1;  // 0 would mean forever
  postgres::set_lock_wait(lock_wait_ms_);
}

void WorkerTransactions::wait_longer() noexcept {
  if (!begin_long_wait()) return;
  postgres::set_lock_wait(std::max(
      lock_wait_ms_,
      std::min(postgres::deadlock_timeout() + kBeyondDeadlockTimeoutMs, kLongestLockWaitMs)));
}

void WorkerTransactions::wait_as_before() noexcept {
  end_long_wait();
  postgres::set_lock_wait(lock_wait_ms_);
}

bool WorkerTransactions::takes_writes(int sqlstate) {
  // It may be a trigger that says so, or one that wants too much. What lines that wait may need is
  // enough for others.
  if (sqlstate == ERRCODE_OUT_OF_MEMORY &&
      !postgres::can_allocate(static_cast<std::size_t>(postgres::settings.max_pending) * 1024)) {
    return false;
  }
  const std::int64_t now_ns = transport::monotonic_ns();
  if (now_ns < writes_until_ns_) return true;
  const auto failure = ingest::attempt(*this, [&] {
    begin();
    postgres::check_writing();
    commit();
  });
  if (failure.has_value() && ingest::trouble_of(failure->sqlstate()) == ingest::Trouble::kOutside) {
    return false;
  }
  writes_until_ns_ = now_ns + kProbeNs;
  return true;
}

void WorkerTransactions::begin() {
  if (open_) return;
  open_ = true;
  postgres::begin_transaction();
}

void WorkerTransactions::commit() {
  rejects_.write();
  postgres::commit_transaction();
  rejects_.end(true);
  open_ = false;
}

void WorkerTransactions::abandon() {
  postgres::abort_all_transactions();
  rejects_.end(false);
  open_ = false;
}

void WorkerTransactions::begin_attempt() noexcept {
  allow_cancel();
}

void WorkerTransactions::end_attempt() noexcept {
  forbid_cancel();
}

bool WorkerTransactions::recover(int) {
  postgres::abort_transaction();
  rejects_.end(false);
  open_ = false;
  return true;
}

}  // namespace influx::worker
