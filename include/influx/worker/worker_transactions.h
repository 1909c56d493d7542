#pragma once

#include "influx/ingest/ingestor.h"

namespace influx::worker {

/// The transactions of a worker: its own, one after the other.
class WorkerTransactions : public ingest::TransactionControl {
 public:
  /// Starts the first transaction of a batch. Raises.
  void begin();
  /// Ends the last one, where one is left open. Raises.
  void finish();
  /// Rolls back, where one is open.
  void abort();

  void next() override;
  void commit() override;
  bool recover() override;

 private:
  bool open_ = false;
};

}  // namespace influx::worker
