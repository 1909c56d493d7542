#include "influx/ingest/reject_table.h"

#include "influx/ingest/convert.h"
#include "influx/line_protocol/utf8.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/own_relation.h"

namespace influx::ingest {

namespace {

const char* const kColumns[] = {"time",          "schema",       "port",        "role",
                                "\"precision\"", "sender",       "sender_port", "measurement",
                                "line",          "\"position\"", "sqlstate",    "reason"};
const Oid kTypes[] = {TIMESTAMPTZOID, NAMEOID, INT4OID,  NAMEOID, TEXTOID, INETOID,
                      INT4OID,        TEXTOID, BYTEAOID, INT4OID, TEXTOID, TEXTOID};
constexpr int kColumnCount = lengthof(kColumns);
static_assert(lengthof(kTypes) == kColumnCount);

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
    reject.measurement = refusal.measurement;
    reject.reason = refusal.message;
    if (refusal.detail != nullptr) reject.reason.append(": ").append(refusal.detail);
    reject.position = refusal.position;
    reject.sqlstate = refusal.sqlstate;
    reject.received_ns = origin.received_ns;
    if (origin.sender.length != 0) {
      reject.sender = origin.sender.host();
      reject.sender_port = origin.sender.port();
    }
    waiting_.push_back(std::move(reject));
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
  if (error != nullptr) {
    drop_waiting(error->message);
    FreeErrorData(error);
  } else if (waiting_.size() > static_cast<std::size_t>(postgres::settings.max_rejects)) {
    drop_waiting("the table is locked");
  }
}

void RejectTable::insert_all(Oid table) {
  const postgres::FormerUser listener = postgres::become(postgres::owner_of(table));
  prepare(table);
  for (std::size_t i = in_transaction_; i < waiting_.size(); ++i)
    insert(table, waiting_[i]);
  trim(table);
  postgres::become_again(listener);
}

/// Makes the plans, which name the table, for where it is now.
void RejectTable::prepare(Oid table) {
  const char* qualified = postgres::qualified_name(table);
  if (name_ == qualified && trim_plan_ != nullptr) return;
  if (insert_plan_ != nullptr) SPI_freeplan(std::exchange(insert_plan_, nullptr));
  if (trim_plan_ != nullptr) SPI_freeplan(std::exchange(trim_plan_, nullptr));

  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfo(&sql, "INSERT INTO %s (", qualified);
  for (int i = 0; i < kColumnCount; ++i)
    appendStringInfo(&sql, "%s%s", i == 0 ? "" : ", ", kColumns[i]);
  appendStringInfoString(&sql, ") VALUES (");
  for (int i = 0; i < kColumnCount; ++i)
    appendStringInfo(&sql, "%s$%d", i == 0 ? "" : ", ", i + 1);
  appendStringInfoChar(&sql, ')');
  insert_plan_ = postgres::prepare_and_keep(sql.data, kColumnCount, kTypes, {table});

  // Rows that another listener is deleting, or a replay has taken, are left to it.
  resetStringInfo(&sql);
  appendStringInfo(
      &sql,
      "DELETE FROM %s WHERE id = ANY (ARRAY(SELECT id FROM %s WHERE id <= "
      "(SELECT id FROM %s ORDER BY id DESC OFFSET $1 LIMIT 1) FOR UPDATE SKIP LOCKED))",
      qualified, qualified, qualified);
  const Oid type = INT8OID;
  trim_plan_ = postgres::prepare_and_keep(sql.data, 1, &type, {table});
  name_ = qualified;
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
  postgres::execute_plan(insert_plan_, values, nulls, {table});
}

void RejectTable::trim(Oid table) {
  Datum most = Int64GetDatum(postgres::settings.max_rejects);
  postgres::execute_plan(trim_plan_, &most, nullptr, {table});
}

void RejectTable::drop_waiting(const char* reason) noexcept {
  drop(waiting_.size() - in_transaction_, reason);
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(in_transaction_), waiting_.end());
}

void RejectTable::drop(std::size_t count, const char* reason) noexcept {
  dropped_ += count;
  postgres::copy_cut(failure_, reason);
}

void RejectTable::end(bool committed) noexcept {
  if (committed && in_transaction_ > 0) {
    written_ += in_transaction_;
    waiting_.erase(waiting_.begin(),
                   waiting_.begin() + static_cast<std::ptrdiff_t>(in_transaction_));
  }
  in_transaction_ = 0;
}

}  // namespace influx::ingest
