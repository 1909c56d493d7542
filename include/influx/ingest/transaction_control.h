#pragma once

namespace influx::ingest {

/// How the owner of an Ingestor handles transactions: a listener has its own, a function is in its
/// caller's. The functions are called from frames of plain data; they raise.
class TransactionControl {
 public:
  virtual ~TransactionControl() = default;

  /// Makes sure that a transaction is open, in which what was done before can be seen.
  virtual void begin() = 0;

  /// Makes what was done so far final, if that is the owner's to do.
  virtual void commit() = 0;

  /// After an error of this SQLSTATE: rolls back what was done since the last begin(). False where
  /// the error has to be raised to the caller instead.
  virtual bool recover(int sqlstate) = 0;

  /// Called before and after each attempt(), which begins with begin() and may leave the
  /// transaction open: what is done in between may be cancelled, and nothing else.
  virtual void begin_attempt() noexcept {}
  virtual void end_attempt() noexcept {}

  /// Whether to wait for a table that somebody has locked. Else its lines are kept and tried again
  /// later, and the other tables go on.
  virtual bool waits_for_locks() const noexcept = 0;

  /// Called when a lock could not be had in time: no more time is to be spent on waiting for the
  /// rest of this batch.
  virtual void stop_waiting() noexcept = 0;

  /// Whether what the server caches of its catalogs for this process may be forgotten now: the
  /// process is the owner's alone, and no transaction is open.
  virtual bool may_forget_catalogs() const noexcept = 0;

  /// From here on a lock is waited for so long that the server ends an autovacuum which has it; and
  /// back to what it was before.
  virtual void wait_longer() noexcept {}
  virtual void wait_as_before() noexcept {}

  /// Whether the server takes what is written now, apart from the table that has just failed with
  /// `sqlstate`, and lines of the table can be kept meanwhile. Asked outside of a transaction.
  /// False also where that cannot be found out.
  virtual bool takes_writes(int sqlstate) {
    static_cast<void>(sqlstate);
    return false;
  }
};

}  // namespace influx::ingest
