#pragma once

#include "influx/ingest/reject_table.h"
#include "influx/ingest/transaction_control.h"

namespace influx::worker {

/// The transactions of a worker: its own, one after the other. Refused lines are written by the
/// transaction that is committed next.
class WorkerTransactions : public ingest::TransactionControl {
 public:
  explicit WorkerTransactions(ingest::RejectTable& rejects) noexcept : rejects_(rejects) {}

  /// A new batch begins, with all its time to wait for locks.
  void start_batch() noexcept;

  /// Rolls back whatever there is, on the way out of the process.
  void abandon();

  void begin() override;
  void commit() override;
  bool recover(int sqlstate) override;
  bool waits_for_locks() const noexcept override { return false; }
  void stop_waiting() noexcept override;
  bool may_forget_catalogs() const noexcept override { return !open_; }

 private:
  ingest::RejectTable& rejects_;
  bool open_ = false;
};

}  // namespace influx::worker
