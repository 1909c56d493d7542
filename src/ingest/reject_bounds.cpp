#include "influx/ingest/reject_bounds.h"

#include "influx/postgres/settings.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using postgres::settings;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

/// Bounds below this are held to the row.
constexpr std::int64_t kExactRows = 1000;
/// The part by which larger ones may be passed.
constexpr std::int64_t kSlack = 32;

/// Where others write too, rows are counted again after so long, and so many times longer than it
/// took.
constexpr std::int64_t kCountNs = kNsPerSecond;
constexpr std::int64_t kCountShare = 20;

/// The most rows that one call deletes.
constexpr std::int64_t kMostDeleted = 20'000;

/// How long it is remembered below which id all was deleted.
constexpr std::int64_t kRememberNs = 60 * kNsPerSecond;

/// How long the table is left alone when it has grown beyond its bound on disk, and how many rows
/// are written then to see whether it still grows.
constexpr std::int64_t kPauseNs = 60 * kNsPerSecond;
constexpr std::size_t kTriedRows = 16;

std::int64_t most_rows() noexcept {
  return settings.max_rejects;
}

std::int64_t most_bytes() noexcept {
  return std::int64_t{settings.max_reject_bytes} * 1024;
}

/// With its indexes and what is stored out of line.
std::uint64_t size_on_disk(Oid table) {
  return static_cast<std::uint64_t>(
      DatumGetInt64(DirectFunctionCall1(pg_total_relation_size, ObjectIdGetDatum(table))));
}

/// A column of the one row that the last statement has returned; 0 for NULL,
/// and where the owner of the table has made another type of it.
std::int64_t result(int column) {
  bool is_null = true;
  if (SPI_gettypeid(SPI_tuptable->tupdesc, column) != INT8OID) return 0;
  const Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null);
  return is_null ? 0 : DatumGetInt64(value);
}

}  // namespace

bool RejectBounds::fits(std::size_t rows, std::size_t bytes) noexcept {
  return rows <= static_cast<std::size_t>(most_rows()) &&
         bytes <= static_cast<std::size_t>(most_bytes());
}

std::size_t RejectBounds::start(Oid table, std::size_t rows) {
  size_before_ = size_on_disk(table);
  if (size_before_ <= 2 * static_cast<std::uint64_t>(most_bytes())) return rows;
  if (paused_until_ns_ == 0) return rows;
  return monotonic_ns() < paused_until_ns_ ? 0 : std::min(rows, kTriedRows);
}

void RejectBounds::finish(Oid table, std::size_t rows, std::size_t bytes) {
  rows_since_ += static_cast<std::int64_t>(rows);
  bytes_since_ += static_cast<std::int64_t>(bytes);
  if (is_due(table)) {
    count(table);
    if (counted_.beyond != 0) delete_oldest(table);
  }
  const std::uint64_t size = size_on_disk(table);
  const bool grows = size > 2 * static_cast<std::uint64_t>(most_bytes()) && size > size_before_;
  paused_until_ns_ = grows ? monotonic_ns() + kPauseNs : 0;
}

/// Whether the bounds may have been passed since the rows were counted.
bool RejectBounds::is_due(Oid table) {
  if (!counted_.known || counted_.beyond != 0) return true;
  const std::int64_t slack = most_rows() < kExactRows ? 0 : most_rows() / kSlack;
  const std::int64_t room = most_rows() - counted_.rows + slack;
  if (counted_.bytes + bytes_since_ > most_bytes() + most_bytes() / kSlack) return true;
  postgres::execute(psprintf("SELECT pg_catalog.max(id) FROM %s", postgres::qualified_name(table)),
                    0, nullptr, nullptr, nullptr, SPI_OK_SELECT, {table});
  const std::int64_t written = result(1) - counted_.newest;
  if (written > room) return true;
  // The bytes of others are not known.
  return written > rows_since_ && monotonic_ns() >= count_again_ns_;
}

/// Counts from the newest row on, up to the first one beyond the bounds.
void RejectBounds::count(Oid table) {
  const std::int64_t start_ns = monotonic_ns();
  Oid types[] = {INT8OID, INT8OID, INT8OID, INT4OID};
  Datum values[] = {Int64GetDatum(most_rows()), Int64GetDatum(most_bytes()),
                    Int64GetDatum(most_rows() + 1), Int32GetDatum(kBytesOfRow)};
  postgres::execute(
      psprintf("SELECT pg_catalog.max(id), pg_catalog.count(*) FILTER (WHERE NOT is_beyond), "
               "pg_catalog.max(total) FILTER (WHERE NOT is_beyond), "
               "pg_catalog.max(id) FILTER (WHERE is_beyond) "
               "FROM (SELECT id, total, n OPERATOR(pg_catalog.>) $1 "
               "OR total OPERATOR(pg_catalog.>) $2 AS is_beyond "
               "FROM (SELECT id, pg_catalog.row_number() OVER newest_first AS n, "
               "pg_catalog.sum(size) OVER newest_first AS total "
               "FROM (SELECT id, pg_catalog.octet_length(line) OPERATOR(pg_catalog.+) "
               "pg_catalog.octet_length(reason) OPERATOR(pg_catalog.+) $4 AS size "
               "FROM %s ORDER BY id DESC LIMIT $3) AS newest "
               "WINDOW newest_first AS (ORDER BY id DESC ROWS UNBOUNDED PRECEDING)) AS summed) "
               "AS judged",
               postgres::qualified_name(table)),
      lengthof(types), types, values, nullptr, SPI_OK_SELECT, {table});
  counted_ = {true, result(1), result(2), result(3), result(4)};
  rows_since_ = 0;
  bytes_since_ = 0;
  const std::int64_t end_ns = monotonic_ns();
  count_again_ns_ = end_ns + kCountNs + kCountShare * (end_ns - start_ns);
}

/// Deletes the rows beyond the bounds, or as many as one call may. Rows that another listener is
/// deleting, or a replay has taken, are left to it.
void RejectBounds::delete_oldest(Oid table) {
  const std::int64_t now_ns = monotonic_ns();
  if (now_ns >= from_start_ns_) {
    first_ = INT64_MIN;
    from_start_ns_ = now_ns + kRememberNs;
  }
  // The rows lie in a range of the index, whatever the planner believes of the table; the caller's
  // change of user undoes this.
  set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                    false);
  const char* name = postgres::qualified_name(table);
  Oid types[] = {INT8OID, INT8OID, INT8OID};
  Datum values[] = {Int64GetDatum(first_), Int64GetDatum(counted_.beyond),
                    Int64GetDatum(kMostDeleted)};
  postgres::execute(
      psprintf("DELETE FROM %s WHERE id OPERATOR(pg_catalog.=) ANY (ARRAY("
               "SELECT id FROM %s WHERE id OPERATOR(pg_catalog.>=) $1 "
               "AND id OPERATOR(pg_catalog.<=) $2 ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED))",
               name, name),
      lengthof(types), types, values, nullptr, SPI_OK_DELETE, {table});
  // What is left is deleted by the next calls.
  if (static_cast<std::int64_t>(SPI_processed) == kMostDeleted) return;
  first_ = counted_.beyond + 1;
  counted_.beyond = 0;
}

}  // namespace influx::ingest
