#include "influx/ingest/conflict_clause.h"

#include "influx/postgres/text.h"

namespace influx::ingest {

using schema::Arbiter;
using schema::ColumnIndex;
using schema::KeyColumn;
using schema::Table;

namespace {

void append_column(StringInfo sql, const Table& table, ColumnIndex column) {
  postgres::append_identifier(sql, postgres::server_string(table.column(column).name));
}

/// column = the value of the new row, or else of the old one.
void append_assignment(StringInfo sql, const Table& table, ColumnIndex column) {
  const auto append_value = [&](const char* row) {
    appendStringInfo(sql, "%s.", row);
    append_column(sql, table, column);
  };
  append_column(sql, table, column);
  appendStringInfoString(sql, " = COALESCE(");
  if (column == table.tags || column == table.fields) {
    append_value(kConflictTarget);
    appendStringInfoString(sql, " OPERATOR(pg_catalog.||) ");
    append_value("EXCLUDED");
    appendStringInfoString(sql, ", ");
  }
  append_value("EXCLUDED");
  appendStringInfoString(sql, ", ");
  append_value(kConflictTarget);
  appendStringInfoChar(sql, ')');
}

}  // namespace

void append_conflict_clause(StringInfo sql, const Table& table,
                            std::span<const ColumnIndex> columns, const Arbiter& arbiter,
                            bool merge) {
  appendStringInfoString(sql, " ON CONFLICT (");
  const char* separator = "";
  for (const KeyColumn& key : arbiter.key) {
    appendStringInfoString(sql, separator);
    append_column(sql, table, key.column);
    separator = ", ";
  }
  appendStringInfoString(sql, ") DO ");
  separator = "UPDATE SET ";
  for (const ColumnIndex column : columns) {
    if (!merge || arbiter.has(column)) continue;
    appendStringInfoString(sql, separator);
    append_assignment(sql, table, column);
    separator = ", ";
  }
  if (*separator != ',') appendStringInfoString(sql, "NOTHING");
}

}  // namespace influx::ingest
