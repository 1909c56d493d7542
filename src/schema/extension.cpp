#include "influx/schema/extension.h"

#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"

namespace influx::schema {

using line_protocol::ValueType;
using postgres::server_string;

namespace {

constexpr int kAttempts = 3;

const char* sql_type(const NewColumn& column) noexcept {
  if (column.role == ColumnRole::kTime) return "pg_catalog.timestamptz";
  if (column.role == ColumnRole::kTag) return "pg_catalog.text";
  switch (column.type) {
    case ValueType::kFloat:
      return "pg_catalog.float8";
    case ValueType::kInteger:
      return "pg_catalog.int8";
    case ValueType::kUnsigned:
      return "pg_catalog.numeric(20,0)";
    case ValueType::kBoolean:
      return "pg_catalog.bool";
    case ValueType::kString:
      break;
  }
  return "pg_catalog.text";
}

void append_column(StringInfo sql, const NewColumn& column) {
  postgres::append_identifier(sql, server_string(column.name));
  appendStringInfo(sql, " %s", sql_type(column));
}

void run_utility(const char* sql) {
  const int result = SPI_execute(sql, false, 0);
  if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

/// The errors of two sessions that make the same table or column at once; looking again helps.
bool lost_race(int sqlstate) noexcept {
  return sqlstate == ERRCODE_DUPLICATE_TABLE || sqlstate == ERRCODE_DUPLICATE_COLUMN ||
         sqlstate == ERRCODE_DUPLICATE_OBJECT || sqlstate == ERRCODE_UNIQUE_VIOLATION;
}

Datum name_array(const Extension& extension, ColumnRole role) {
  const std::size_t count = extension.columns.size();
  auto* names = static_cast<Datum*>(palloc(sizeof(Datum) * (count + 1)));
  int length = 0;
  for (const NewColumn& column : extension.columns) {
    if (column.role != role) continue;
    names[length++] = DirectFunctionCall1(namein, CStringGetDatum(server_string(column.name)));
  }
  return PointerGetDatum(
      construct_array(names, length, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
}

}  // namespace

void Extension::add(std::string_view name, ColumnRole role, ValueType type) {
  unsigned& roles = roles_[std::string(name)];
  const unsigned bit = 1U << static_cast<unsigned>(role);
  if ((roles & bit) != 0) return;
  columns.push_back({std::string(name), role, type, roles != 0});
  roles |= bit;
}

void Extension::merge(const Extension& other) {
  for (const NewColumn& column : other.columns)
    add(column.name, column.role, column.type);
}

void Extension::clear() {
  create = false;
  columns.clear();
  roles_.clear();
}

Oid Extender::own_create() const {
  Oid types[] = {NAMEOID, NAMEARRAYOID, NAMEARRAYOID};
  oidvector* arguments = buildoidvector(types, lengthof(types));
  HeapTuple function =
      SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum("_create"), PointerGetDatum(arguments),
                      ObjectIdGetDatum(namespace_oid_));
  if (!HeapTupleIsValid(function)) return InvalidOid;

  // The extension's own function may stand in the schema too; create_table() is what it does, and
  // knows the types of the fields, which the function's arguments cannot tell.
  const auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(function));
  bool ours = false;
  if (form->prolang == ClanguageId) {
    bool is_null = false;
    const Datum source = SysCacheGetAttr(PROCNAMEARGSNSP, function, Anum_pg_proc_prosrc, &is_null);
    ours = !is_null && std::strcmp(TextDatumGetCString(source), "influx_create") == 0;
  }
  const Oid found = ours ? InvalidOid : form->oid;
  ReleaseSysCache(function);
  return found;
}

void Extender::call_own_create(const Extension& extension) const {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "SELECT ");
  postgres::append_qualified(&sql, postgres::schema_name(namespace_oid_), "_create");
  appendStringInfoString(&sql, "($1, $2, $3)");
  Oid types[] = {NAMEOID, NAMEARRAYOID, NAMEARRAYOID};
  Datum values[] = {
      DirectFunctionCall1(namein, CStringGetDatum(server_string(extension.measurement))),
      name_array(extension, ColumnRole::kTag), name_array(extension, ColumnRole::kField)};

  // The function may name its table without the schema; it finds all else where its owner does.
  const int nest_level = NewGUCNestLevel();
  StringInfoData path;
  initStringInfo(&path);
  postgres::append_identifier(&path, postgres::schema_name(namespace_oid_));
  if (*namespace_search_path != '\0') appendStringInfo(&path, ", %s", namespace_search_path);
  set_config_option("search_path", path.data, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                    false);
  const int result =
      SPI_execute_with_args(sql.data, lengthof(types), types, values, nullptr, false, 0);
  if (result < 0) elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
  AtEOXact_GUC(false, nest_level);

  if (!table_exists(extension)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("function %s._create made no table \"%s\"",
                           quote_identifier(postgres::schema_name(namespace_oid_)),
                           server_string(extension.measurement))));
  }
}

bool Extender::table_exists(const Extension& extension) const {
  return get_relname_relid(server_string(extension.measurement), namespace_oid_) != InvalidOid;
}

void Extender::create_table(const Extension& extension) const {
  const bool json = postgres::settings.layout == postgres::kLayoutJson;
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "CREATE TABLE IF NOT EXISTS ");
  postgres::append_qualified(&sql, postgres::schema_name(namespace_oid_),
                             server_string(extension.measurement));
  appendStringInfo(&sql, " (%s pg_catalog.timestamptz NOT NULL",
                   json ? "_time" : quote_identifier(postgres::settings.time_column));
  if (json) {
    appendStringInfoString(&sql, ", _tags pg_catalog.jsonb, _fields pg_catalog.jsonb");
  } else {
    for (const NewColumn& column : extension.columns) {
      if (column.shadowed) continue;
      appendStringInfoString(&sql, ", ");
      append_column(&sql, column);
    }
  }
  appendStringInfoChar(&sql, ')');
  run_utility(sql.data);
}

void Extender::add_columns(const Extension& extension) const {
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "ALTER TABLE ");
  postgres::append_qualified(&sql, postgres::schema_name(namespace_oid_),
                             server_string(extension.measurement));
  const char* separator = " ";
  for (const NewColumn& column : extension.columns) {
    if (column.shadowed) continue;
    appendStringInfo(&sql, "%sADD COLUMN IF NOT EXISTS ", separator);
    append_column(&sql, column);
    separator = ", ";
  }
  run_utility(sql.data);
}

ErrorData* Extender::extend(const Extension& extension) const {
  ErrorData* error = nullptr;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    error = postgres::in_subtransaction([&] {
      if (!extension.create) {
        add_columns(extension);
      } else if (has_own_create()) {
        call_own_create(extension);
      } else {
        create_table(extension);
      }
    });
    if (error == nullptr || !lost_race(error->sqlerrcode)) return error;
    AcceptInvalidationMessages();
    if (extension.create && table_exists(extension)) return nullptr;
  }
  return error;
}

}  // namespace influx::schema
