#include "influx/schema/announcement.h"

namespace influx::schema {

namespace {

constexpr const char* kChannel = "influx";

/// A payload has to be shorter than 8000 bytes in a server of the usual block size (async.c).
constexpr int kMostBytes = BLCKSZ - NAMEDATALEN - 128 - 1;
/// What comes behind the columns: `], "more": 1600}`.
constexpr int kTail = 20;

void append_member(StringInfo out, const char* key, const char* value) {
  appendStringInfo(out, "\"%s\": ", key);
  escape_json(out, value);
  appendStringInfoString(out, ", ");
}

void announce(const char* event, Oid table, std::span<const char* const> columns) {
  const char* schema = get_namespace_name(get_rel_namespace(table));
  const char* name = get_rel_name(table);
  if (schema == nullptr || name == nullptr) return;
  StringInfoData payload;
  initStringInfo(&payload);
  appendStringInfoChar(&payload, '{');
  append_member(&payload, "event", event);
  append_member(&payload, "schema", schema);
  append_member(&payload, "table", name);
  appendStringInfoString(&payload, "\"columns\": [");
  std::size_t told = 0;
  for (; told < columns.size(); ++told) {
    const int before = payload.len;
    if (told > 0) appendStringInfoString(&payload, ", ");
    escape_json(&payload, columns[told]);
    if (payload.len + kTail <= kMostBytes) continue;
    payload.len = before;
    payload.data[before] = '\0';
    break;
  }
  appendStringInfoChar(&payload, ']');
  if (told < columns.size()) appendStringInfo(&payload, ", \"more\": %zu", columns.size() - told);
  appendStringInfoChar(&payload, '}');
  Async_Notify(kChannel, payload.data);
}

}  // namespace

void announce_table(Oid table) {
  Relation relation = relation_open(table, AccessShareLock);
  TupleDesc descriptor = RelationGetDescr(relation);
  auto** names = static_cast<const char**>(
      palloc(sizeof(char*) * (static_cast<std::size_t>(descriptor->natts) + 1)));
  std::size_t count = 0;
  for (int i = 0; i < descriptor->natts; ++i) {
    const FormData_pg_attribute* attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped) names[count++] = pstrdup(NameStr(attribute->attname));
  }
  relation_close(relation, AccessShareLock);
  announce("table", table, {names, count});
}

void announce_columns(Oid table, std::span<const char* const> columns) {
  announce("column", table, columns);
}

}  // namespace influx::schema
