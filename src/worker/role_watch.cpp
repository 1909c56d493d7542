#include "influx/worker/role_watch.h"

#include "influx/postgres/transaction.h"

namespace influx::worker {

namespace {

bool some_role_changed = false;

}  // namespace

void watch_roles() {
  CacheRegisterSyscacheCallback(
      AUTHOID, [](Datum, int, uint32) { some_role_changed = true; }, 0);
}

bool role_was_dropped(Oid role) {
  if (!std::exchange(some_role_changed, false)) return false;
  postgres::begin_transaction();
  const bool exists = SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role));
  postgres::commit_transaction();
  return !exists;
}

}  // namespace influx::worker
