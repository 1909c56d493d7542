// insert_lines(): line protocol into tables, in the caller's transaction.

#include "influx/ingest/ingestor.h"
#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/sql/arguments.h"
#include "influx/sql/raise_refusal.h"

namespace {

using influx::ingest::Ingestor;
using influx::ingest::Line;
using influx::ingest::Origin;
using influx::ingest::Refusal;

/// All or nothing: a line that cannot be stored is an error of the statement.
class RaiseRefusals : public influx::ingest::RefusalHandler {
 public:
  void refuse(const Line& line, const Origin&, const Refusal& refusal) override {
    influx::sql::raise_refusal(line.text, line.number, refusal);
  }
};

/// The transaction is the caller's: nothing is committed here, and errors are the caller's to
/// handle.
class CallersTransaction : public influx::ingest::TransactionControl {
 public:
  void begin() override { CommandCounterIncrement(); }
  void commit() override {}
  bool recover(int) override { return false; }
  bool waits_for_locks() const noexcept override { return true; }
  void stop_waiting() noexcept override {}
  bool may_forget_catalogs() const noexcept override { return false; }
};

/// Everything that the call needs, in one object of the call's memory.
struct Call {
  Call(Oid namespace_oid, influx::line_protocol::Precision precision)
      : ingestor(namespace_oid, precision, refusals, transaction) {}

  RaiseRefusals refusals;
  CallersTransaction transaction;
  Ingestor ingestor;
};

}  // namespace

INFLUX_FUNCTION(influx_insert_lines) {
  const Oid namespace_oid = PG_GETARG_OID(0);
  influx::sql::check_schema(namespace_oid, GetUserId());
  auto* call = influx::postgres::make_in_context<Call>(CurrentMemoryContext, namespace_oid,
                                                       influx::sql::precision_argument(fcinfo, 2));
  std::string_view lines = influx::postgres::to_utf8(influx::sql::text_argument(fcinfo, 1));

  SPI_connect();
  // A batch at a time: what a batch needs beside its text is several times as large as that.
  const std::int64_t now_ns = influx::sql::statement_time_ns();
  std::uint32_t number = 1;
  while (!lines.empty()) {
    lines = call->ingestor.add_some(lines, {now_ns, {}}, &number);
    call->ingestor.store();
    call->ingestor.clear();
  }
  SPI_finish();
  PG_RETURN_INT64(static_cast<int64>(call->ingestor.stored()));
}
