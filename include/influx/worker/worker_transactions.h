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

  /// Rolls back whatever there is, on the way out of the process. Leaves TopMemoryContext as the
  /// current memory context.
  void abandon();

  void begin() override;
  void commit() override;
  bool recover(int sqlstate) override;
  void begin_attempt() noexcept override;
  void end_attempt() noexcept override;
  bool waits_for_locks() const noexcept override { return false; }
  void stop_waiting() noexcept override;
  bool may_forget_catalogs() const noexcept override { return !open_; }
  void wait_longer() noexcept override;
  void wait_as_before() noexcept override;
  bool takes_writes(int sqlstate) override;

 private:
  ingest::RejectTable& rejects_;
  bool open_ = false;
  int lock_wait_ms_ = 0;              ///< of this batch
  std::int64_t writes_until_ns_ = 0;  ///< takes_writes() is not asked again before
};

}  // namespace influx::worker
