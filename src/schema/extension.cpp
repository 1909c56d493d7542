#include "influx/schema/extension.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/announcement.h"
#include "influx/schema/membership.h"
#include "influx/schema/table_counts.h"
#include "influx/transport/clock.h"

namespace influx::schema {

using line_protocol::ValueType;
using postgres::server_string;

namespace {

constexpr int kAttempts = 3;

/// An attempt that fails leaves entries for its names in the server's caches, and there may be ever
/// new ones. After so many failures the caches are emptied.
constexpr unsigned kForgetAfter = 10000;

/// How long nobody is notified after the queue of notifications was found full.
constexpr std::int64_t kSilenceNs = 60'000'000'000;

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

void require_room(const NewColumn& column, std::size_t width) {
  const char* hint = nullptr;
  const char* reason = width_refusal(width, &hint);
  if (reason == nullptr) return;
  const char* message =
      psprintf("cannot make column \"%s\": %s", server_string(column.name), reason);
  Objection{ERRCODE_TOO_MANY_COLUMNS, message, nullptr, hint}.raise();
}

/// Something of another name was made or altered.
[[noreturn]] void fail_for_changed_name() {
  Objection{ERRCODE_T_R_SERIALIZATION_FAILURE,
            "the name of a table or a schema has changed while it was made or altered", nullptr,
            "Try again."}
      .raise();
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

namespace {

Objection no_room(std::string_view measurement, const char* schema) {
  return {ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
          psprintf("table \"%s\" does not exist, and influx.max_tables allows no more",
                   server_string(measurement)),
          psprintf("Schema \"%s\" may have %d tables.", schema, postgres::settings.max_tables),
          "Raise influx.max_tables, or drop tables that are not needed."};
}

}  // namespace

bool Extender::may_create(std::string_view measurement, Objection* objection) {
  const auto no = [&](int sqlstate, const char* message) {
    *objection = {sqlstate, message, nullptr, nullptr};
    return false;
  };
  if (!postgres::settings.auto_create) {
    return no(ERRCODE_UNDEFINED_TABLE,
              psprintf("table \"%s\" does not exist, and influx.auto_create is off",
                       server_string(measurement)));
  }
  const char* schema = postgres::schema_name(namespace_oid_);
  if (!limit_.has_room()) {
    *objection = no_room(measurement, schema);
    return false;
  }
  const CreateFunction function = find_create_function(namespace_oid_);
  if (function.exists()) return is_trusted(function, namespace_oid_, objection);
  if (!postgres::has_schema_privilege(namespace_oid_, GetUserId(), ACL_CREATE)) {
    return no(ERRCODE_INSUFFICIENT_PRIVILEGE, psprintf("permission denied for schema %s", schema));
  }
  return true;
}

void Extender::call_create_function(const CreateFunction& function,
                                    const Extension& extension) const {
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
  postgres::execute(sql.data, lengthof(types), types, values, nullptr, SPI_OK_SELECT,
                    {InvalidOid, function.oid});
  AtEOXact_GUC(false, nest_level);

  if (!table_exists(extension)) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("function %s._create made no table \"%s\"",
                           quote_identifier(postgres::schema_name(namespace_oid_)),
                           server_string(extension.measurement))));
  }
}

bool Extender::table_exists(const Extension& extension) const {
  return postgres::find_relation(server_string(extension.measurement), namespace_oid_) !=
         InvalidOid;
}

/// Runs a statement that names the schema, which has to have this name before and after: the
/// server takes no lock on it. What was done to another one is undone by the error.
void Extender::run_utility(const char* sql, const char* schema) const {
  const int result = SPI_execute(sql, false, 0);
  if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
  AcceptInvalidationMessages();
  if (std::strcmp(postgres::schema_name(namespace_oid_), schema) != 0) fail_for_changed_name();
}

void Extender::create_table(const Extension& extension) const {
  const char* schema = postgres::schema_name(namespace_oid_);
  const bool json = postgres::settings.layout == postgres::kLayoutJson;
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "CREATE TABLE IF NOT EXISTS ");
  postgres::append_qualified(&sql, schema, server_string(extension.measurement));
  appendStringInfo(&sql, " (%s pg_catalog.timestamptz NOT NULL",
                   json ? "_time" : quote_identifier(postgres::settings.time_column));
  if (json) {
    appendStringInfoString(&sql, ", _tags pg_catalog.jsonb, _fields pg_catalog.jsonb");
  } else {
    std::size_t width = 1;
    for (const NewColumn& column : extension.columns) {
      if (column.shadowed) continue;
      require_room(column, width++);
      appendStringInfoString(&sql, ", ");
      append_column(&sql, column);
    }
  }
  appendStringInfoChar(&sql, ')');
  run_utility(sql.data, schema);
  if (!table_exists(extension)) fail_for_changed_name();
}

void Extender::add_columns(const Extension& extension) const {
  const char* name = server_string(extension.measurement);
  const Oid table = postgres::find_relation(name, namespace_oid_);
  // Then there may be another one when the lines are mapped again.
  if (table == InvalidOid) return;
  const Oid owner = extension_of_all(table);
  if (owner != InvalidOid) objection_to_member(name, owner).raise();

  const char* schema = postgres::schema_name(namespace_oid_);
  StringInfoData sql;
  initStringInfo(&sql);
  appendStringInfoString(&sql, "ALTER TABLE ");
  postgres::append_qualified(&sql, schema, name);
  const char* separator = " ";
  for (const NewColumn& column : extension.columns) {
    if (column.shadowed) continue;
    appendStringInfo(&sql, "%sADD COLUMN IF NOT EXISTS ", separator);
    append_column(&sql, column);
    separator = ", ";
  }
  run_utility(sql.data, schema);
  CommandCounterIncrement();
  // Others may have added theirs since the table was described. Now they cannot.
  const std::size_t width = postgres::width_of(table);
  const bool is_too_wide = width > static_cast<std::size_t>(postgres::settings.max_columns);
  for (const NewColumn& column : extension.columns) {
    if (column.shadowed) continue;
    const char* added = server_string(column.name);
    if (get_attnum(table, added) == InvalidAttrNumber) fail_for_changed_name();
    if (is_too_wide && postgres::made_column(table, added)) require_room(column, width);
  }
}

/// Makes the table, unless there is one.
void Extender::make_table(const Extension& extension, bool existed) {
  const CreateFunction function = find_create_function(namespace_oid_);
  limit_.start_making(function.exists());
  if (function.exists()) {
    Objection objection;
    if (!is_trusted(function, namespace_oid_, &objection)) objection.raise();
    call_create_function(function, extension);
  } else {
    create_table(extension);
  }
  CommandCounterIncrement();
  if (existed || limit_.check_made()) return;
  no_room(extension.measurement, postgres::schema_name(namespace_oid_)).raise();
}

ErrorData* Extender::try_to_extend(const Extension& extension) {
  ErrorData* error = nullptr;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    error = postgres::in_subtransaction([&] {
      const bool existed = !extension.create || table_exists(extension);
      if (extension.create) {
        make_table(extension, existed);
      } else {
        add_columns(extension);
      }
      note_changes(extension, existed);
    });
    if (error == nullptr) return nullptr;
    if (error->sqlerrcode == ERRCODE_TOO_MANY_COLUMNS && has_grown(extension)) return nullptr;
    if (!lost_race(error->sqlerrcode)) return error;
    AcceptInvalidationMessages();
    if (extension.create && table_exists(extension)) return nullptr;
  }
  return error;
}

/// Whether others have added columns since the lines were mapped, which are to be mapped again
/// then.
bool Extender::has_grown(const Extension& extension) const {
  if (extension.create) return false;
  AcceptInvalidationMessages();
  const Oid table = postgres::find_relation(server_string(extension.measurement), namespace_oid_);
  return postgres::width_of(table) > extension.width;
}

/// Counts and announces what was made; somebody else may have been faster.
void Extender::note_changes(const Extension& extension, bool existed) const {
  const Oid table = postgres::find_relation(server_string(extension.measurement), namespace_oid_);
  CommandCounterIncrement();
  if (extension.create) {
    if (!existed && announces() && postgres::made_relation(table)) announce_table(table);
    return;
  }
  const char** added =
      static_cast<const char**>(palloc(sizeof(char*) * (extension.columns.size() + 1)));
  std::size_t count = 0;
  for (const NewColumn& column : extension.columns) {
    if (column.shadowed) continue;
    const char* name = server_string(column.name);
    if (postgres::made_column(table, name)) added[count++] = name;
  }
  if (count == 0) return;
  count_columns(table, count);
  if (announces()) announce_columns(table, {added, count});
}

bool Extender::announces() const noexcept {
  return postgres::settings.notify && transport::monotonic_ns() >= silent_until_ns_;
}

void Extender::stop_announcing() noexcept {
  silent_until_ns_ = transport::monotonic_ns() + kSilenceNs;
}

ErrorData* Extender::extend(const Extension& extension) {
  ErrorData* error = try_to_extend(extension);
  if (extension.create) limit_.settle(error == nullptr);
  if (error != nullptr && ++failures_ == kForgetAfter) {
    failures_ = 0;
    InvalidateSystemCaches();
  }
  return error;
}

}  // namespace influx::schema
