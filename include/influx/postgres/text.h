#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

// Text between line protocol, which is UTF-8, and the server, whose encoding is the database's. The
// results live in the current memory context. In a database of encoding UTF8 or SQL_ASCII nothing
// is converted.

/// Whether texts have to be converted in this database.
bool converts_text();

/// `text` in the server's encoding; the view is the argument itself where nothing is converted.
/// Raises untranslatable_character.
std::string_view from_utf8(std::string_view text);

/// `text` (of the server's encoding) in UTF-8; the argument itself where nothing is converted.
std::string_view to_utf8(std::string_view text);

/// A zero-terminated copy.
char* c_string(std::string_view text);

/// A zero-terminated copy of `utf8` in the server's encoding. Raises untranslatable_character.
char* server_string(std::string_view utf8);

/// The longest start of `text` that has at most `most` bytes and does not end inside a character of
/// `encoding`. Any bytes may be given: one that begins no character stands for itself. SQL_ASCII
/// says nothing of characters; those of UTF-8 are kept whole there too. Raises nothing.
std::string_view cut(std::string_view text, std::size_t most,
                     int encoding = GetDatabaseEncoding()) noexcept;

/// Writes as much of `text` (of the server's encoding) to `out` as has room there, with a zero
/// behind it, and cuts as cut() does. REQUIRES: `out` is not empty.
void copy_cut(std::span<char> out, std::string_view text) noexcept;

/// `text` (of the server's encoding) itself; where it has more than `most` bytes, a copy of its
/// start with `...` behind it.
const char* shortened(const char* text, std::size_t most);

/// The start of `bytes`, fit for a message, whatever they are: at most `most` of them, and `...`
/// where that is not all. Control characters, what turns the direction of a text, and what is no
/// text of `encoding`, or of another encoding than the server's, come as \xNN. A sender or a
/// trigger so cannot forge a line of the log, or talk to the terminal that shows it.
const char* printable(std::string_view bytes, std::size_t most, int encoding);

/// The same for the text of a report, of the server's encoding.
const char* printable(const char* text);

/// A copy of `text`, which a process of a database of that encoding has left in shared memory. What
/// it has beyond ASCII cannot be shown where this database has another encoding, or where it is the
/// name of something that all databases share.
char* readable(const char* text, int encoding);

/// A text datum with the bytes of `text`, which is of the server's encoding.
Datum text_datum(std::string_view text);

/// The bytes of a text, in place. `value` is detoasted and must outlive the view.
inline std::string_view text_view(const text* value) {
  return {VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value)};
}

/// Writes an identifier, quoted where it has to be.
void append_identifier(StringInfo out, const char* name);
/// Writes `schema.name`, both quoted where they have to be.
void append_qualified(StringInfo out, const char* schema, const char* name);

/// `schema.name` of a relation, as append_qualified() writes it. Raises where it was dropped.
char* qualified_name(Oid relation);

/// The name of a schema, of the server's encoding. Raises undefined_schema where it was dropped.
char* schema_name(Oid namespace_oid);

}  // namespace influx::postgres
