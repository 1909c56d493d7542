#include "influx/postgres/transaction.h"

namespace influx::postgres {

void begin_transaction() {
  MemoryContext before = CurrentMemoryContext;
  SetCurrentStatementStartTimestamp();
  StartTransactionCommand();
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  MemoryContextSwitchTo(before);
}

void commit_transaction() {
  MemoryContext before = CurrentMemoryContext;
  SPI_finish();
  PopActiveSnapshot();
  CommitTransactionCommand();
  MemoryContextSwitchTo(before);
}

void abort_transaction() {
  MemoryContext before = CurrentMemoryContext;
  AbortCurrentTransaction();
  MemoryContextSwitchTo(before);
}

detail::SubtransactionState detail::begin_subtransaction() {
  const SubtransactionState before{CurrentMemoryContext, CurrentResourceOwner};
  BeginInternalSubTransaction(nullptr);
  MemoryContextSwitchTo(before.memory_context);
  return before;
}

void detail::commit_subtransaction(const SubtransactionState& before) {
  ReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(before.memory_context);
  CurrentResourceOwner = before.resource_owner;
}

void detail::roll_back_subtransaction(const SubtransactionState& before) {
  RollbackAndReleaseCurrentSubTransaction();
  MemoryContextSwitchTo(before.memory_context);
  CurrentResourceOwner = before.resource_owner;
}

ErrorData* detail::take_report(ErrorData* report) {
  const auto copy = [](const char* text) { return text == nullptr ? nullptr : pstrdup(text); };
  auto* taken = static_cast<ErrorData*>(palloc0(sizeof(ErrorData)));
  taken->elevel = report->elevel;
  taken->sqlerrcode = report->sqlerrcode;
  taken->message = copy(report->message);
  taken->detail = copy(report->detail);
  taken->hint = copy(report->hint);
  taken->context = copy(report->context);
  taken->assoc_context = CurrentMemoryContext;
  free_report(report);
  return taken;
}

}  // namespace influx::postgres
