#include "influx/worker/worker_transactions.h"

#include "influx/postgres/transaction.h"

namespace influx::worker {

void WorkerTransactions::begin() {
  open_ = true;
  postgres::begin_transaction();
}

void WorkerTransactions::finish() {
  if (open_) commit();
}

void WorkerTransactions::abort() {
  postgres::abort_transaction();
  open_ = false;
}

void WorkerTransactions::next() {
  commit();
  begin();
}

void WorkerTransactions::commit() {
  postgres::commit_transaction();
  open_ = false;
}

bool WorkerTransactions::recover() {
  abort();
  begin();
  return true;
}

}  // namespace influx::worker
