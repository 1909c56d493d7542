#include "influx/postgres/transaction.h"

#include "influx/postgres/session.h"

namespace influx::postgres {

namespace {

/// A cancel that comes at the end of a transaction is too late, and not for the next one.
void forget_cancel() noexcept {
  QueryCancelPending = false;
}

}  // namespace

void begin_transaction() {
  MemoryContext before = CurrentMemoryContext;
  SetCurrentStatementStartTimestamp();
  discard_leftovers();
  StartTransactionCommand();
  guard_settings();
  SPI_connect();
  PushActiveSnapshot(GetTransactionSnapshot());
  MemoryContextSwitchTo(before);
}

void commit_transaction() {
  MemoryContext before = CurrentMemoryContext;
  restore_settings();
  SPI_finish();
  PopActiveSnapshot();
  note_leftovers();
  CommitTransactionCommand();
  forget_cancel();
  release_advisory_locks();
  MemoryContextSwitchTo(before);
}

void abort_transaction() {
  MemoryContext before = CurrentMemoryContext;
  AbortCurrentTransaction();
  forget_cancel();
  release_advisory_locks();
  MemoryContextSwitchTo(before);
}

void abort_all_transactions() {
  AbortOutOfAnyTransaction();
  forget_cancel();
  MemoryContextSwitchTo(TopMemoryContext);
}

std::size_t fair_number_of_locks() noexcept {
  // An eighth: a table comes with locks on its indexes, and others are there too.
  constexpr int kPart = 8;
  constexpr int kLeast = 16;  // these cost no place there (FP_LOCK_SLOTS_PER_BACKEND)
  const int all = max_locks_per_xact * (MaxBackends + max_prepared_xacts);
  return static_cast<std::size_t>(std::max(kLeast, all / kPart));
}

void set_lock_wait(int milliseconds) noexcept {
  LockTimeout = milliseconds;
}

BriefLockWait::BriefLockWait() noexcept : before_(LockTimeout) {
  constexpr int kMilliseconds = 20;
  set_lock_wait(kMilliseconds);
}

BriefLockWait::~BriefLockWait() {
  set_lock_wait(before_);
}

int deadlock_timeout() noexcept {
  return DeadlockTimeout;
}

Oid owner_of(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "cache lookup failed for relation %u", relation);
  const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
  ReleaseSysCache(tuple);
  return owner;
}

FormerUser become(Oid user) {
  FormerUser former{};
  GetUserIdAndSecContext(&former.user, &former.security_context);
  int security_context =
      former.security_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION;
  if (user != former.user) security_context |= SECURITY_NOFORCE_RLS;
  SetUserIdAndSecContext(user, security_context);
  former.guc_nest_level = NewGUCNestLevel();
  set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                    GUC_ACTION_SAVE, true, 0, false);
  return former;
}

void become_again(const FormerUser& user) {
  AtEOXact_GUC(false, user.guc_nest_level);
  SetUserIdAndSecContext(user.user, user.security_context);
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
  // Without these an error that is raised again would end the statement and tell nobody.
  taken->output_to_server = report->output_to_server;
  taken->output_to_client = report->output_to_client;
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
