#include "influx/schema/limits.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/settings.h"
#include "influx/schema/table.h"
#include "influx/transport/clock.h"

namespace influx::schema {

using transport::monotonic_ns;

namespace {

/// How long a count is good at least, and how many times longer than it took.
constexpr std::int64_t kCountNs = 1'000'000'000;
constexpr std::int64_t kCountShare = 20;

/// Where there is room for so many tables more, a count is good enough: while it is good, all
/// processes together make fewer.
constexpr std::size_t kAmpleRoom = 5000;

std::size_t most_tables() noexcept {
  return static_cast<std::size_t>(postgres::settings.max_tables);
}

bool counts(const FormData_pg_class& relation) {
  const char* refusal = nullptr;
  return takes_rows(relation.relkind, &refusal) && !relation.relispartition;
}

}  // namespace

void TableLimit::count() {
  const std::int64_t start_ns = monotonic_ns();
  tables_ = postgres::count_relations(namespace_oid_, counts);
  const std::int64_t end_ns = monotonic_ns();
  until_ns_ = end_ns + kCountNs + kCountShare * (end_ns - start_ns);
}

bool TableLimit::has_room() {
  if (monotonic_ns() >= until_ns_) count();
  return tables_ + promised_ < most_tables();
}

void TableLimit::start_making(bool by_user) {
  by_user_ = by_user;
  ours_ = 0;
  // What the function makes beside its table is to be told from what was made before.
  if (by_user) postgres::count_relations_of_all(namespace_oid_, counts, &ours_);
}

bool TableLimit::check_made() {
  if (tables_ + promised_ + kAmpleRoom < most_tables()) return true;
  std::size_t ours = 0;
  const std::size_t all = postgres::count_relations_of_all(namespace_oid_, counts, &ours);
  const std::size_t beside = by_user_ && ours > ours_ ? ours - ours_ - 1 : 0;
  return all - beside <= most_tables();
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
