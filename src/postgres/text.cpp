#include "influx/postgres/text.h"

namespace influx::postgres {

bool converts_text() {
  const int encoding = GetDatabaseEncoding();
  return encoding != PG_UTF8 && encoding != PG_SQL_ASCII;
}

std::string_view from_utf8(std::string_view text) {
  if (!converts_text()) return text;
  const char* converted = pg_any_to_server(text.data(), static_cast<int>(text.size()), PG_UTF8);
  return converted == text.data() ? text : std::string_view(converted);
}

std::string_view to_utf8(std::string_view text) {
  if (!converts_text()) return text;
  const char* converted = pg_server_to_any(text.data(), static_cast<int>(text.size()), PG_UTF8);
  return converted == text.data() ? text : std::string_view(converted);
}

char* c_string(std::string_view text) {
  return pnstrdup(text.data(), text.size());
}

char* server_string(std::string_view utf8) {
  return c_string(from_utf8(utf8));
}

std::string_view cut(std::string_view text, std::size_t most, int encoding) noexcept {
  if (text.size() <= most) return text;
  if (encoding == PG_SQL_ASCII) encoding = PG_UTF8;
  std::size_t length = 0;
  for (;;) {
    // Unlike pg_mbcliplen() it looks at no byte behind the text, and does not take a lead byte's
    // word for what follows it.
    const int character = pg_encoding_verifymbchar(encoding, text.data() + length,
                                                   static_cast<int>(text.size() - length));
    const std::size_t next = length + static_cast<std::size_t>(std::max(character, 1));
    if (next > most) return text.substr(0, length);
    length = next;
  }
}

void copy_cut(std::span<char> out, std::string_view text) noexcept {
  out[cut(text, out.size() - 1).copy(out.data(), out.size() - 1)] = '\0';
}

const char* shortened(const char* text, std::size_t most) {
  const std::string_view start = cut(text, most);
  if (text[start.size()] == '\0') return text;
  return psprintf("%.*s...", static_cast<int>(start.size()), text);
}

Datum text_datum(std::string_view text) {
  return PointerGetDatum(cstring_to_text_with_len(text.data(), static_cast<int>(text.size())));
}

void append_identifier(StringInfo out, const char* name) {
  appendStringInfoString(out, quote_identifier(name));
}

void append_qualified(StringInfo out, const char* schema, const char* name) {
  append_identifier(out, schema);
  appendStringInfoChar(out, '.');
  append_identifier(out, name);
}

char* qualified_name(Oid relation) {
  const char* name = get_rel_name(relation);
  if (name == nullptr) elog(ERROR, "cache lookup failed for relation %u", relation);
  StringInfoData qualified;
  initStringInfo(&qualified);
  append_qualified(&qualified, schema_name(get_rel_namespace(relation)), name);
  return qualified.data;
}

char* schema_name(Oid namespace_oid) {
  char* name = get_namespace_name(namespace_oid);
  if (name == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA),
                    errmsg("the schema of the tables, OID %u, was dropped", namespace_oid)));
  }
  return name;
}

}  // namespace influx::postgres
