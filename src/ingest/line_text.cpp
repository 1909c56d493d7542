#include "influx/ingest/line_text.h"

#include "influx/postgres/text.h"

namespace influx::ingest {

namespace {

constexpr std::size_t kMostBytesShown = 200;

}  // namespace

const char* line_text(std::string_view line) {
  const std::size_t size = line.size();
  // At a character boundary, so that the check below does not fail for the cut alone.
  line = postgres::cut(line, kMostBytesShown, PG_UTF8);
  const bool plain_utf8 =
      GetDatabaseEncoding() == PG_UTF8 &&
      pg_verify_mbstr_len(PG_UTF8, line.data(), static_cast<int>(line.size()), true) >= 0;
  StringInfoData text;
  initStringInfo(&text);
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    const bool shows = byte >= 0x20 && byte != 0x7F && (byte < 0x80 || plain_utf8);
    if (shows) {
      appendStringInfoChar(&text, c);
    } else {
      appendStringInfo(&text, "\\x%02x", byte);
    }
  }
  if (line.size() < size) appendStringInfoString(&text, "...");
  return text.data;
}

std::size_t line_count(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

}  // namespace influx::ingest
