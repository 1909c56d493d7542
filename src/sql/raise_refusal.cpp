#include "influx/sql/raise_refusal.h"

#include "influx/ingest/line_text.h"
#include "influx/postgres/text.h"

namespace influx::sql {

void raise_refusal(std::string_view line, std::size_t line_number, const ingest::Refusal& refusal) {
  const char* shown = ingest::line_text(line);
  const char* reason = postgres::printable(refusal.message);
  const char* message = refusal.position.has_value()
                            ? psprintf("invalid line protocol in line %zu, position %zu: %s",
                                       line_number, *refusal.position + 1, reason)
                            : psprintf("cannot store line %zu: %s", line_number, reason);
  ereport(ERROR, (errcode(refusal.sqlstate), errmsg("%s", message),
                  refusal.detail != nullptr
                      ? errdetail("%s\nLine: %s", postgres::printable(refusal.detail), shown)
                      : errdetail("Line: %s", shown),
                  refusal.hint != nullptr ? errhint("%s", postgres::printable(refusal.hint)) : 0));
  pg_unreachable();
}

}  // namespace influx::sql
