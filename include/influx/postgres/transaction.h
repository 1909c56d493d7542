#pragma once

#include "influx/postgres/error.h"
#include "influx/postgres/server.h"

namespace influx::postgres {

// Transactions of a background worker, and subtransactions of anybody.

/// Starts a transaction, connects SPI and takes a snapshot. May raise; abort_transaction() then
/// cleans up. CurrentMemoryContext is as before.
void begin_transaction();

/// Ends what begin_transaction() started. May raise, as deferred constraints do.
void commit_transaction();

/// Rolls back whatever there is, after an error. Does not raise but for errors that end the
/// process.
void abort_transaction();

/// Rolls back whatever there is, subtransactions included, where the process is on its way out. The
/// current memory context may be one of theirs there: afterwards it is TopMemoryContext.
void abort_all_transactions();

/// How many tables a transaction may lock without taking more than a fair part of the lock table,
/// which all sessions of the server share.
std::size_t fair_number_of_locks() noexcept;

/// How long this process waits for a lock from now on, in milliseconds; then it is an error
/// (lock_not_available). Nothing else that sets `lock_timeout` matters.
void set_lock_wait(int milliseconds) noexcept;

/// As long as there is one, this process waits for a lock no longer than a look at the catalog
/// beside its work is worth; afterwards as long as before.
class BriefLockWait {
 public:
  BriefLockWait() noexcept;
  BriefLockWait(const BriefLockWait&) = delete;
  BriefLockWait& operator=(const BriefLockWait&) = delete;
  ~BriefLockWait();

 private:
  int before_;  ///< milliseconds
};

/// How long a session waits for a lock before the server looks for what stands in its way, in
/// milliseconds.
int deadlock_timeout() noexcept;

namespace detail {

struct SubtransactionState {
  MemoryContext memory_context;
  ResourceOwner resource_owner;
};
SubtransactionState begin_subtransaction();
void commit_subtransaction(const SubtransactionState& before);
void roll_back_subtransaction(const SubtransactionState& before);
/// Moves a report from error_context() to the current memory context.
ErrorData* take_report(ErrorData* report);

}  // namespace detail

/// Runs `call` in a subtransaction. Returns nothing where it succeeded; else it was rolled back,
/// and the result is the report, in CurrentMemoryContext of the caller. The rules of guard() hold.
/// REQUIRES: a transaction.
template <typename Call>
ErrorData* in_subtransaction(Call&& call) {
  const detail::SubtransactionState before = detail::begin_subtransaction();
  ErrorData* report = nullptr;
  try {
    guard([&] {
      call();
      detail::commit_subtransaction(before);
    });
    return nullptr;
  } catch (const ServerError& error) {
    report = error.release();
  } catch (...) {
    detail::roll_back_subtransaction(before);
    throw;
  }
  detail::roll_back_subtransaction(before);
  return detail::take_report(report);
}

/// Who a session was before become(). Plain data.
struct FormerUser {
  Oid user;
  int security_context;
  int guc_nest_level;
};

/// The role that owns a relation. Raises.
Oid owner_of(Oid relation);

/// Becomes `user`, who may be the same as before, with a search_path on which there is nothing but
/// the system, as the server itself does for the queries of a foreign key. What triggers, defaults,
/// rules or policies run from here on runs as `user`, and in a restricted operation: it cannot
/// become somebody else, and leaves nothing that would run later, when the former user is back. For
/// that the server refuses a deferred trigger, a cursor WITH HOLD, LISTEN and temporary tables. The
/// end of a subtransaction that fails undoes it. Raises.
FormerUser become(Oid user);

/// The way back. Raises.
void become_again(const FormerUser& user);

/// Runs `call` with `context` as the current memory context. On an error the server, or the guard
/// that catches it, puts the context back.
template <typename Call>
auto in_context(MemoryContext context, Call&& call) -> decltype(call()) {
  MemoryContext before = MemoryContextSwitchTo(context);
  if constexpr (std::is_void_v<decltype(call())>) {
    call();
    MemoryContextSwitchTo(before);
  } else {
    auto result = call();
    static_assert(std::is_trivially_destructible_v<decltype(result)>);
    MemoryContextSwitchTo(before);
    return result;
  }
}

}  // namespace influx::postgres
