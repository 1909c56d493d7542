#include "influx/ingest/need.h"

#include "influx/postgres/text.h"

namespace influx::ingest {

const char* what_is_missing(const schema::Extension& extension) {
  const char* table = postgres::server_string(extension.measurement);
  if (extension.create || extension.columns.empty()) return psprintf("table \"%s\"", table);
  constexpr int kMostBytesShown = 100;
  return psprintf(
      "column \"%s\" of table \"%s\"",
      postgres::shortened(postgres::server_string(extension.columns.front().name), kMostBytesShown),
      table);
}

}  // namespace influx::ingest
