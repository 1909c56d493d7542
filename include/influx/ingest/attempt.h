#pragma once

#include "influx/ingest/refusal.h"
#include "influx/ingest/transaction_control.h"
#include "influx/ingest/trouble.h"
#include "influx/postgres/error.h"

namespace influx::ingest {

/// The parts of a server error, in a form that owns them.
postgres::Error error_of(const ErrorData& report) noexcept;

/// What is told where the process gets no memory.
inline postgres::Error out_of_memory() noexcept {
  return {ERRCODE_OUT_OF_MEMORY, "out of memory"};
}

/// The refusal for the reason of `error`, whose texts it refers to.
Refusal refusal_of(const postgres::Error& error);

/// That an attempt is under way, as far as TransactionControl has to know.
class AttemptUnderWay {
 public:
  explicit AttemptUnderWay(TransactionControl& transactions) noexcept
      : transactions_(transactions) {
    transactions_.begin_attempt();
  }
  AttemptUnderWay(const AttemptUnderWay&) = delete;
  AttemptUnderWay& operator=(const AttemptUnderWay&) = delete;
  ~AttemptUnderWay() { transactions_.end_attempt(); }

 private:
  TransactionControl& transactions_;
};

/// Runs `call`, which begins with TransactionControl::begin(). Returns nothing where it succeeded;
/// else what was done since then is rolled back, and the result says why. Where the transaction is
/// the caller's, the error is thrown on. The rules of postgres::guard() hold.
template <typename Call>
std::optional<postgres::Error> attempt(TransactionControl& transactions, Call&& call) {
  ErrorData* report = nullptr;
  try {
    const AttemptUnderWay under_way(transactions);
    postgres::guard(call);
    return std::nullopt;
  } catch (const postgres::ServerError& error) {
    report = error.release();
  } catch (const std::bad_alloc&) {
    // Told below, when this block is over: the server is called there.
  }
  if (!transactions.recover(report != nullptr ? report->sqlerrcode : ERRCODE_OUT_OF_MEMORY)) {
    if (report != nullptr) throw postgres::ServerError(report);
    throw std::bad_alloc();
  }
  if (report == nullptr) return out_of_memory();
  const postgres::Error error = error_of(*report);
  postgres::free_report(report);
  return error;
}

}  // namespace influx::ingest
