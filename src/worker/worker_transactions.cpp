#include "influx/worker/worker_transactions.h"

#include "influx/postgres/session.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"

namespace influx::worker {

void WorkerTransactions::start_batch() noexcept {
  postgres::set_lock_wait(postgres::settings.lock_timeout);
}

void WorkerTransactions::stop_waiting() noexcept {
  constexpr int kLeastMs = 1;  // 0 would mean forever
  postgres::set_lock_wait(kLeastMs);
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

bool WorkerTransactions::recover(int) {
  postgres::abort_transaction();
  rejects_.end(false);
  open_ = false;
  return true;
}

}  // namespace influx::worker
