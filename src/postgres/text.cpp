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

namespace {

/// A text beyond this is converted in parts, which end with a line: the server takes room for four
/// times the text, and lets nobody interrupt it.
constexpr std::size_t kConvertedAtOnce = std::size_t{1024} * 1024;

std::string_view long_to_utf8(std::string_view text) {
  StringInfoData converted;
  initStringInfo(&converted);
  while (!text.empty()) {
    CHECK_FOR_INTERRUPTS();
    const std::size_t line_feed =
        text.size() > kConvertedAtOnce ? text.find('\n', kConvertedAtOnce) : text.npos;
    const std::size_t size = line_feed == text.npos ? text.size() : line_feed + 1;
    const char* part = pg_server_to_any(text.data(), static_cast<int>(size), PG_UTF8);
    const bool is_copy = part != text.data();
    appendBinaryStringInfo(&converted, part, static_cast<int>(is_copy ? std::strlen(part) : size));
    if (is_copy) pfree(const_cast<char*>(part));
    text.remove_prefix(size);
  }
  return {converted.data, static_cast<std::size_t>(converted.len)};
}

}  // namespace

std::string_view to_utf8(std::string_view text) {
  if (!converts_text()) return text;
  if (text.size() > kConvertedAtOnce) return long_to_utf8(text);
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

namespace {

/// Texts of reports hold names and values of a line, which may be as long as a datagram.
constexpr std::size_t kMostBytesOfText = 1000;

/// The length of the character at the start of `text`, valid UTF-8, where a terminal does not show
/// but obey it: C1 control characters, separators of lines, and marks of direction. 0 for others.
std::size_t hidden_character(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (at(0) == 0xC2 && at(1) < 0xA0) return 2;
  if (at(0) != 0xE2) return 0;
  const bool in_first =
      at(1) == 0x80 && (at(2) == 0x8E || at(2) == 0x8F || (at(2) >= 0xA8 && at(2) <= 0xAE));
  const bool in_second = at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9;
  return in_first || in_second ? 3 : 0;
}

}  // namespace

const char* printable(std::string_view bytes, std::size_t most, int encoding) {
  const std::size_t size = bytes.size();
  // At a character boundary, so that the check below does not fail for the cut alone.
  bytes = cut(bytes, most, encoding);
  const bool is_text =
      encoding == GetDatabaseEncoding() && encoding != PG_SQL_ASCII &&
      pg_verify_mbstr_len(encoding, bytes.data(), static_cast<int>(bytes.size()), true) >= 0;
  StringInfoData text;
  initStringInfo(&text);
  std::size_t hidden = 0;  // bytes of a character of which some are still to come
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (is_text && encoding == PG_UTF8 && byte >= 0xC0) hidden = hidden_character(bytes.substr(i));
    const bool shows = byte >= 0x20 && byte != 0x7F && (byte < 0x80 || is_text) && hidden == 0;
    if (hidden > 0) --hidden;
    if (shows) {
      appendStringInfoChar(&text, bytes[i]);
    } else {
      appendStringInfo(&text, "\\x%02x", byte);
    }
  }
  if (bytes.size() < size) appendStringInfoString(&text, "...");
  return text.data;
}

const char* printable(const char* text) {
  return printable(text, kMostBytesOfText, GetDatabaseEncoding());
}

char* readable(const char* text, int encoding) {
  char* shown = pstrdup(text);
  if (encoding == GetDatabaseEncoding() &&
      pg_verifymbstr(shown, static_cast<int>(std::strlen(shown)), true)) {
    return shown;
  }
  for (char* byte = shown; *byte != '\0'; ++byte) {
    if (IS_HIGHBIT_SET(*byte)) *byte = '?';
  }
  return shown;
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
