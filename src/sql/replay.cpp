// influx_replay(): lines that listeners could not store, tried again.

#include "influx/ingest/convert.h"
#include "influx/ingest/ingestor.h"
#include "influx/ingest/reject_table.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/own_relation.h"
#include "influx/sql/arguments.h"

namespace {

using influx::ingest::Ingestor;
using influx::ingest::Line;
using influx::ingest::Origin;
using influx::ingest::Refusal;
using influx::line_protocol::Precision;
namespace postgres = influx::postgres;

/// The caller's transaction, in parts that can be rolled back: what a line meets costs the line.
class PartsOfTransaction : public influx::ingest::TransactionControl {
 public:
  void begin() override {
    if (open_) return;
    before_ = postgres::detail::begin_subtransaction();
    open_ = true;
  }
  void commit() override {
    if (!open_) return;
    MemoryContext context = CurrentMemoryContext;
    postgres::detail::commit_subtransaction(before_);
    MemoryContextSwitchTo(context);
    open_ = false;
  }
  bool recover(int sqlstate) override {
    // A cancel, and the caller's own lock_timeout, are about the call.
    if (postgres::is_interrupt(sqlstate) || sqlstate == ERRCODE_LOCK_NOT_AVAILABLE) return false;
    MemoryContext context = CurrentMemoryContext;
    if (open_) postgres::detail::roll_back_subtransaction(before_);
    MemoryContextSwitchTo(context);
    open_ = false;
    return true;
  }
  bool waits_for_locks() const noexcept override { return true; }
  void stop_waiting() noexcept override {}
  bool may_forget_catalogs() const noexcept override { return false; }

  /// Ends the part that an error on its way to the caller has left open: a block of the caller that
  /// catches the error rolls back one level, its own.
  void abandon() {
    if (!std::exchange(open_, false)) return;
    postgres::detail::roll_back_subtransaction(before_);
  }

 private:
  postgres::detail::SubtransactionState before_{};
  bool open_ = false;
};

/// Notes which of the texts given to an ingestor were refused, by the order in which they were.
class NoteRefusals : public influx::ingest::RefusalHandler {
 public:
  void refuse(const Line& line, const Origin&, const Refusal&) override {
    if (refused_.size() <= line.origin) refused_.resize(line.origin + 1, false);
    refused_[line.origin] = true;
  }
  /// Forgets what was noted: the ingestor begins another batch.
  void clear() noexcept { refused_.clear(); }
  bool refused(std::size_t origin) const noexcept {
    return origin < refused_.size() && refused_[origin];
  }

 private:
  std::vector<bool> refused_;
};

struct Replay {
  Replay(Oid namespace_oid, Precision precision)
      : ingestor(namespace_oid, precision, refusals, transaction) {}

  NoteRefusals refusals;
  PartsOfTransaction transaction;
  Ingestor ingestor;
};

/// What is to be replayed, in the order of schema, precision and arrival. Plain data, in the memory
/// of the SPI connection.
struct Rejects {
  SPITupleTable* rows;
  std::uint64_t count;

  Datum value(std::uint64_t row, int column, bool* is_null) const {
    return SPI_getbinval(rows->vals[row], rows->tupdesc, column, is_null);
  }
  std::string_view text_at(std::uint64_t row, int column) const {
    bool is_null = false;
    const Datum datum = value(row, column, &is_null);
    return is_null ? std::string_view() : postgres::text_view(DatumGetTextPP(datum));
  }
};
enum Column { kId = 1, kTime, kSchema, kPrecision, kLine };

/// The ids of the rows that the caller may see and asks for.
ArrayType* wanted_ids(FunctionCallInfo fcinfo, Oid table) {
  const postgres::FormerUser caller = postgres::become(GetUserId());
  Oid types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID};
  Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
  const char nulls[] = {' ', ' ', PG_ARGISNULL(2) ? 'n' : ' ', '\0'};
  postgres::execute(psprintf("SELECT pg_catalog.array_agg(id) FROM %s "
                             "WHERE time OPERATOR(pg_catalog.>=) $1 "
                             "AND time OPERATOR(pg_catalog.<) $2 "
                             "AND ($3 IS NULL OR measurement OPERATOR(pg_catalog.=) $3)",
                             postgres::qualified_name(table)),
                    lengthof(types), types, values, nulls, SPI_OK_SELECT, {table});
  postgres::become_again(caller);
  const Oid result_types[] = {INT8ARRAYOID};
  postgres::require_result_types(result_types);
  bool is_null = true;
  const Datum ids = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
  return is_null ? nullptr : DatumGetArrayTypeP(ids);
}

/// Reads those rows and keeps others from taking them; what somebody else has taken is left out.
Rejects take_rows(Oid table, ArrayType* ids) {
  const postgres::FormerUser caller = postgres::become(postgres::owner_of(table));
  Oid types[] = {INT8ARRAYOID};
  Datum values[] = {PointerGetDatum(ids)};
  postgres::execute(
      psprintf("SELECT id, time, schema::pg_catalog.text, \"precision\", line FROM %s "
               "WHERE id OPERATOR(pg_catalog.=) ANY ($1) "
               "ORDER BY schema, \"precision\", id FOR UPDATE SKIP LOCKED",
               postgres::qualified_name(table)),
      lengthof(types), types, values, nullptr, SPI_OK_SELECT, {table});
  postgres::become_again(caller);
  const Oid result_types[] = {INT8OID, TIMESTAMPTZOID, TEXTOID, TEXTOID, BYTEAOID};
  postgres::require_result_types(result_types);
  return {SPI_tuptable, SPI_processed};
}

void remove_rows(Oid table, Datum* ids, int count) {
  const postgres::FormerUser caller = postgres::become(postgres::owner_of(table));
  Oid types[] = {INT8ARRAYOID};
  Datum values[] = {
      PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE))};
  postgres::execute(psprintf("DELETE FROM %s WHERE id OPERATOR(pg_catalog.=) ANY ($1)",
                             postgres::qualified_name(table)),
                    lengthof(types), types, values, nullptr, SPI_OK_DELETE, {table});
  postgres::become_again(caller);
}

/// Gives rows from `first` on to the ingestor, as many as make a batch of moderate size and not
/// beyond `end`, and stores them. Returns the first row that is left.
std::uint64_t store_some(const Rejects& rejects, std::uint64_t first, std::uint64_t end,
                         Ingestor& ingestor) {
  bool is_null = false;
  std::size_t bytes = 0;
  std::uint64_t row = first;
  while (row < end && row - first < Ingestor::kMostLinesOfBatch &&
         bytes < Ingestor::kMostBytesOfBatch) {
    const Datum time = rejects.value(row, kTime, &is_null);
    const std::string_view line = rejects.text_at(row, kLine);
    ingestor.add(line, {influx::ingest::nanoseconds_of(DatumGetTimestampTz(time)), {}});
    bytes += line.size();
    ++row;
  }
  ingestor.store(true);
  return row;
}

/// Stores the rows from `first` to before `end`. Writes the ids of those that were stored to `ids`,
/// and returns their number.
int store_rows(const Rejects& rejects, std::uint64_t first, std::uint64_t end, Replay& replay,
               Datum* ids) {
  bool is_null = false;
  int count = 0;
  while (first < end) {
    const std::uint64_t next = store_some(rejects, first, end, replay.ingestor);
    for (std::uint64_t row = first; row < next; ++row) {
      if (!replay.refusals.refused(row - first)) ids[count++] = rejects.value(row, kId, &is_null);
    }
    replay.ingestor.clear();
    replay.refusals.clear();
    first = next;
  }
  return count;
}

/// Stores the rows from `first` to before `end`, which are of one schema and precision. Writes the
/// ids of those that were stored to `ids`, and returns their number.
int replay_rows(const Rejects& rejects, std::uint64_t first, std::uint64_t end, Datum* ids) {
  const char* schema = postgres::c_string(rejects.text_at(first, kSchema));
  const auto precision =
      influx::line_protocol::precision_from_name(rejects.text_at(first, kPrecision));
  const Oid namespace_oid = get_namespace_oid(schema, true);
  if (namespace_oid == InvalidOid || !precision.has_value() ||
      !postgres::has_schema_privilege(namespace_oid, GetUserId(), ACL_USAGE)) {
    return 0;
  }
  auto* replay = postgres::make_in_context<Replay>(CurrentMemoryContext, namespace_oid, *precision);
  try {
    return postgres::guard([&] { return store_rows(rejects, first, end, *replay, ids); });
  } catch (...) {
    replay->transaction.abandon();
    throw;
  }
}

}  // namespace

INFLUX_FUNCTION(influx_replay) {
  influx::sql::require_argument(fcinfo, 0, "since");
  influx::sql::require_argument(fcinfo, 1, "until");
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);

  int64 stored = 0;
  int64 rejected = 0;
  SPI_connect();
  const Oid table = influx::schema::own_relation(influx::ingest::kRejectTable);
  if (table == InvalidOid) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("table \"%s\" of extension influx does not exist",
                           influx::ingest::kRejectTable)));
  }
  ArrayType* wanted = wanted_ids(fcinfo, table);
  if (wanted != nullptr) {
    const Rejects rejects = take_rows(table, wanted);
    auto* ids =
        static_cast<Datum*>(palloc_extended(sizeof(Datum) * (rejects.count + 1), MCXT_ALLOC_HUGE));
    for (std::uint64_t first = 0; first < rejects.count;) {
      std::uint64_t end = first + 1;
      CHECK_FOR_INTERRUPTS();
      while (end < rejects.count &&
             rejects.text_at(end, kSchema) == rejects.text_at(first, kSchema) &&
             rejects.text_at(end, kPrecision) == rejects.text_at(first, kPrecision)) {
        ++end;
      }
      stored += replay_rows(rejects, first, end, ids + stored);
      first = end;
    }
    rejected = static_cast<int64>(rejects.count) - stored;
    remove_rows(table, ids, static_cast<int>(stored));
  }
  SPI_finish();

  Datum values[] = {Int64GetDatum(stored), Int64GetDatum(rejected)};
  bool nulls[lengthof(values)] = {};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  PG_RETURN_NULL();
}
