#include "influx/schema/limits.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/settings.h"
#include "influx/schema/table.h"

namespace influx::schema {

namespace {

/// How long a count is good at least, and how many times longer than it took.
constexpr int kCountMs = 1000;
constexpr TimestampTz kCountShare = 20;

bool counts(const FormData_pg_class& relation) {
  const char* refusal = nullptr;
  return takes_rows(relation.relkind, &refusal) && !relation.relispartition;
}

}  // namespace

void TableLimit::count() {
  const TimestampTz start = GetCurrentTimestamp();
  tables_ = postgres::count_relations(namespace_oid_, counts);
  counted_ = GetCurrentTimestamp();
  until_ = TimestampTzPlusMilliseconds(counted_, kCountMs) + kCountShare * (counted_ - start);
}

bool TableLimit::has_room() {
  const TimestampTz now = GetCurrentTimestamp();
  // The clock may have been set back.
  if (now >= until_ || now < counted_) count();
  return tables_ + promised_ < static_cast<std::size_t>(postgres::settings.max_tables);
}

void TableLimit::settle(bool made) noexcept {
  if (promised_ > 0) --promised_;
  if (made) ++tables_;
}

const char* width_refusal(std::size_t width, const char** hint) noexcept {
  const int most = postgres::settings.max_columns;
  if (width < static_cast<std::size_t>(most)) return nullptr;
  if (most == MaxHeapAttributeNumber) {
    *hint = "Jsonb columns named _fields and _tags take any number of keys.";
    return "a table has no room for more";
  }
  *hint =
      "Raise influx.max_columns; jsonb columns named _fields and _tags take any number of keys.";
  return "influx.max_columns allows no more";
}

}  // namespace influx::schema
