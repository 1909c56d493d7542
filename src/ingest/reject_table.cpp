#include "influx/ingest/reject_table.h"

#include "influx/ingest/convert.h"
#include "influx/ingest/trouble.h"
#include "influx/line_protocol/utf8.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/own_relation.h"

namespace influx::ingest {

namespace {

/// Of each of the two parts of a reason: a trigger may say as much as it likes.
constexpr std::size_t kMostBytesOfReason = 2000;

const char* const kColumns[] = {"time",     "schema",      "port",        "role", "\"precision\"",
                                "sender",   "sender_port", "measurement", "line", "\"position\"",
                                "sqlstate", "reason",      "role_oid"};
const Oid kTypes[] = {TIMESTAMPTZOID, NAMEOID,  INT4OID, NAMEOID, TEXTOID, INETOID, INT4OID,
                      TEXTOID,        BYTEAOID, INT4OID, TEXTOID, TEXTOID, OIDOID};
constexpr int kColumnCount = lengthof(kColumns);
static_assert(lengthof(kTypes) == kColumnCount);

/// Where the extension is of a version before 1.2, the table lacks the last one.
int columns_of(Oid table) {
  const bool has_last = get_attnum(table, kColumns[kColumnCount - 1]) != InvalidAttrNumber;
  return has_last ? kColumnCount : kColumnCount - 1;
}

Datum name_datum(const char* name) {
  return DirectFunctionCall1(namein, CStringGetDatum(name));
}

/// A measurement as text; false where it cannot be one: it is part of a malformed line, or has no
/// equivalent in the encoding of the database.
bool measurement_datum(std::string_view measurement, Datum* datum) {
  if (measurement.empty() || measurement.find('\0') != std::string_view::npos) return false;
  if (line_protocol::valid_utf8_prefix(measurement) != measurement.size()) return false;
  if (!postgres::converts_text()) {
    *datum = postgres::text_datum(measurement);
    return true;
  }
  return postgres::in_subtransaction(
             [&] { *datum = postgres::text_datum(postgres::from_utf8(measurement)); }) == nullptr;
}

}  // namespace

void RejectTable::keep(const Line& line, const Origin& origin, const Refusal& refusal) noexcept {
  try {
    Reject reject;
    reject.line = line.text;
    // Of a malformed line it may be all of it.
    reject.measurement = postgres::cut(refusal.measurement, NAMEDATALEN - 1, PG_UTF8);
    reject.reason = postgres::cut(refusal.message, kMostBytesOfReason);
    if (refusal.detail != nullptr) {
      reject.reason.append(": ").append(postgres::cut(refusal.detail, kMostBytesOfReason));
    }
    reject.position = refusal.position;
    reject.sqlstate = refusal.sqlstate;
    reject.received_ns = origin.received_ns;
    if (origin.sender.length != 0) {
      reject.sender = origin.sender.host();
      reject.sender_port = origin.sender.port();
    }
    const std::size_t bytes = reject.bytes();
    waiting_.push_back(std::move(reject));
    bytes_ += bytes;
    while (!RejectBounds::fits(waiting_.size(), bytes_) && waiting_.size() > in_transaction_)
      drop_oldest(1, "more came than influx.max_rejects and influx.max_reject_bytes let wait");
  } catch (const std::bad_alloc&) {
    drop(1, "out of memory");
  }
}

void RejectTable::write() {
  if (in_transaction_ == waiting_.size()) return;
  bool locked = false;
  ErrorData* error = postgres::in_subtransaction([&] {
    const Oid table = schema::own_relation(kRejectTable);
    if (table == InvalidOid) {
      ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                      errmsg("table \"%s\" of extension influx does not exist", kRejectTable)));
    }
    locked = !ConditionalLockRelationOid(table, RowExclusiveLock);
    if (!locked) insert_all(table);
  });
  if (error == nullptr && !locked) {
    in_transaction_ = waiting_.size();
    return;
  }
  if (error == nullptr) return;
  bounds_.forget();
  const Trouble trouble = trouble_of(error->sqlerrcode);
  if (trouble != Trouble::kMoment && trouble != Trouble::kLock) {
    drop_oldest(waiting_.size() - in_transaction_, error->message);
  }
  FreeErrorData(error);
}

void RejectTable::insert_all(Oid table) {
  const postgres::FormerUser listener = postgres::become(postgres::owner_of(table));
  prepare(table);
  const std::size_t new_ones = waiting_.size() - in_transaction_;
  const std::size_t most = bounds_.start(table, new_ones);
  if (most < new_ones) {
    drop_oldest(new_ones - most,
                "the table has grown to more than twice influx.max_reject_bytes on disk");
  }
  std::size_t bytes = 0;
  for (std::size_t i = in_transaction_; i < waiting_.size(); ++i) {
    CHECK_FOR_INTERRUPTS();
    insert(table, waiting_[i]);
    bytes += waiting_[i].bytes();
  }
  if (most > 0) bounds_.finish(table, most, bytes);
  postgres::become_again(listener);
}

/// Makes the plan, which names the table, for where it is now.
void RejectTable::prepare(Oid table) {
  const char* qualified = postgres::qualified_name(table);
  const int columns = columns_of(table);
  if (name_ == qualified && columns_ == columns && insert_plan_ != nullptr) return;
  if (insert_plan_ != nullptr) SPI_freeplan(std::exchange(insert_plan_, nullptr));

  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "INSERT INTO %s (", qualified);
  for (int i = 0; i < columns; ++i)
    appendStringInfo(&sql, "%s%s", i == 0 ? "" : ", ", kColumns[i]);
  appendStringInfoString(&sql, ") VALUES (");
  for (int i = 0; i < columns; ++i)
    appendStringInfo(&sql, "%s$%d", i == 0 ? "" : ", ", i + 1);
  appendStringInfoChar(&sql, ')');
  insert_plan_ = postgres::prepare_and_keep(sql.data, columns, kTypes, {table});
  name_ = qualified;
  columns_ = columns;
}

void RejectTable::insert(Oid table, const Reject& reject) {
  Datum values[kColumnCount] = {};
  char nulls[kColumnCount + 1] = {};
  std::fill_n(nulls, kColumnCount, ' ');
  const char* schema = get_namespace_name(namespace_oid_);
  const char* role = GetUserNameFromId(GetSessionUserId(), true);
  int i = 0;
  const auto put = [&](bool known, Datum value) {
    values[i] = value;
    if (!known) nulls[i] = 'n';
    ++i;
  };
  Datum datum = 0;
  put(true, TimestampTzGetDatum(timestamp_of(reject.received_ns)));
  put(schema != nullptr, schema == nullptr ? 0 : name_datum(schema));
  put(true, Int32GetDatum(port_));
  put(role != nullptr, role == nullptr ? 0 : name_datum(role));
  put(true, postgres::text_datum(line_protocol::name_of(precision_)));
  const bool sent = !reject.sender.empty();
  put(sent, sent ? DirectFunctionCall1(inet_in, CStringGetDatum(reject.sender.c_str())) : 0);
  put(sent, Int32GetDatum(reject.sender_port));
  const bool named = measurement_datum(reject.measurement, &datum);
  put(named, datum);
  put(true, PointerGetDatum(cstring_to_text_with_len(reject.line.data(),
                                                     static_cast<int>(reject.line.size()))));
  put(reject.position.has_value(),
      Int32GetDatum(static_cast<int32>(reject.position.value_or(0) + 1)));
  put(true, CStringGetTextDatum(unpack_sql_state(reject.sqlstate)));
  put(true, postgres::text_datum(reject.reason));
  put(true, ObjectIdGetDatum(GetSessionUserId()));
  postgres::execute_plan(insert_plan_, values, nulls, {table});
}

/// Drops the oldest of those that no transaction has written.
void RejectTable::drop_oldest(std::size_t count, const char* reason) noexcept {
  const auto first = waiting_.begin() + static_cast<std::ptrdiff_t>(in_transaction_);
  const auto last = first + static_cast<std::ptrdiff_t>(count);
  for (auto reject = first; reject != last; ++reject)
    bytes_ -= reject->bytes();
  waiting_.erase(first, last);
  drop(count, reason);
}

void RejectTable::drop(std::size_t count, const char* reason) noexcept {
  dropped_ += count;
  postgres::copy_cut(failure_, reason);
}

void RejectTable::end(bool committed) noexcept {
  if (committed && in_transaction_ > 0) {
    written_ += in_transaction_;
    for (std::size_t i = 0; i < in_transaction_; ++i)
      bytes_ -= waiting_[i].bytes();
    waiting_.erase(waiting_.begin(),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(in_transaction_));
  }
  if (!committed) bounds_.forget();
  in_transaction_ = 0;
}

}  // namespace influx::ingest
