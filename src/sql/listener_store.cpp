#include "influx/sql/listener_store.h"

#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/own_relation.h"
#include "influx/worker/listener_table.h"

namespace influx::sql {

namespace {

// In the order of ListenerColumn.
constexpr const char* kColumnNames =
    "name, schema, role, transport, address, service, \"precision\", workers, batch_size, "
    "batch_timeout, read_buffer, allowed_sources, enabled";
constexpr const char* kParameters = "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13";
const Oid kTypes[] = {NAMEOID, NAMEOID, NAMEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
                      INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID, BOOLOID};
static_assert(lengthof(kTypes) == kListenerColumns);

bool may_be_null(ListenerColumn column) noexcept {
  return std::find(std::begin(kOverrideColumns), std::end(kOverrideColumns), column) !=
         std::end(kOverrideColumns);
}

/// The owner of the table may have allowed what the extension does not.
ListenerDefinition definition_of_row(HeapTuple row, TupleDesc descriptor) {
  ListenerDefinition listener;
  for (std::size_t i = 0; i < kListenerColumns; ++i) {
    bool is_null = false;
    const Datum value = SPI_getbinval(row, descriptor, static_cast<int>(i) + 1, &is_null);
    const auto column = static_cast<ListenerColumn>(i);
    if (is_null && !may_be_null(column)) {
      ereport(ERROR,
              (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
               errmsg("column \"%s\" of table \"%s\" is null",
                      SPI_fname(descriptor, static_cast<int>(i) + 1), worker::kListenerTable)));
    }
    if (!is_null) listener.set(column, value);
  }
  return listener;
}

}  // namespace

ListenerStore::ListenerStore() : table_(schema::own_relation(worker::kListenerTable)) {
  if (table_ == InvalidOid) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE),
             errmsg("table \"%s\" of extension influx does not exist", worker::kListenerTable)));
  }
  // What was checked against the other rows has to hold until the commit.
  LockRelationOid(table_, ShareRowExclusiveLock);
  qualified_name_ = postgres::qualified_name(table_);
  owner_ = postgres::owner_of(table_);
}

void ListenerStore::execute(const char* sql, const char* name, int expected) const {
  const postgres::FormerUser caller = postgres::become(owner_);
  Oid types[] = {NAMEOID};
  Datum values[] = {DirectFunctionCall1(namein, CStringGetDatum(name))};
  postgres::execute(sql, lengthof(types), types, values, nullptr, expected, {table_});
  postgres::become_again(caller);
}

std::span<const ListenerDefinition> ListenerStore::select(const char* condition, const char* name,
                                                          int most) const {
  execute(psprintf("SELECT %s FROM %s WHERE %s ORDER BY name LIMIT %d", kColumnNames,
                   qualified_name_, condition, most),
          name, SPI_OK_SELECT);
  postgres::require_result_types(kTypes);
  auto* listeners = static_cast<ListenerDefinition*>(
      palloc(sizeof(ListenerDefinition) * std::max<std::uint64_t>(SPI_processed, 1)));
  for (std::uint64_t i = 0; i < SPI_processed; ++i)
    listeners[i] = definition_of_row(SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
  return {listeners, SPI_processed};
}

ListenerDefinition ListenerStore::find(const char* name) const {
  const auto found = select("name OPERATOR(pg_catalog.=) $1", name, 1);
  if (found.empty()) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("listener \"%s\" does not exist", name),
             errhint("Table influx_listeners shows the listeners of this database.")));
  }
  return found.front();
}

std::span<const ListenerDefinition> ListenerStore::others(const char* name) const {
  // One row more than there can be processes tells as much as all of them.
  return select("name OPERATOR(pg_catalog.<>) $1 AND enabled", name, max_worker_processes + 1);
}

void ListenerStore::change(const char* sql, const ListenerDefinition& listener,
                           int expected) const {
  Oid types[kListenerColumns];
  Datum values[kListenerColumns];
  char nulls[kListenerColumns + 1] = {};
  for (std::size_t i = 0; i < kListenerColumns; ++i) {
    const auto column = static_cast<ListenerColumn>(i);
    types[i] = kTypes[i];
    values[i] = listener.value(column);
    nulls[i] = listener.is_null(column) ? 'n' : ' ';
  }
  const postgres::FormerUser caller = postgres::become(owner_);
  postgres::execute(sql, kListenerColumns, types, values, nulls, expected, {table_});
  postgres::become_again(caller);
}

void ListenerStore::insert(const ListenerDefinition& listener) const {
  const char* name = listener.name(ListenerColumn::kName);
  if (!select("name OPERATOR(pg_catalog.=) $1", name, 1).empty()) {
    ereport(ERROR,
            (errcode(ERRCODE_DUPLICATE_OBJECT), errmsg("listener \"%s\" already exists", name),
             errhint("Choose another name, or change that one by listener_alter().")));
  }
  change(psprintf("INSERT INTO %s (%s) VALUES (%s)", qualified_name_, kColumnNames, kParameters),
         listener, SPI_OK_INSERT);
}

void ListenerStore::update(const ListenerDefinition& listener) const {
  change(psprintf("UPDATE %s SET (%s) = (%s) WHERE name OPERATOR(pg_catalog.=) $1", qualified_name_,
                  kColumnNames, kParameters),
         listener, SPI_OK_UPDATE);
}

void ListenerStore::remove(const char* name) const {
  execute(psprintf("DELETE FROM %s WHERE name OPERATOR(pg_catalog.=) $1", qualified_name_), name,
          SPI_OK_DELETE);
}

}  // namespace influx::sql
