// pg_stat_get_influx_tables(), for the view pg_stat_influx_tables, and pg_stat_influx_reset().

#include "influx/postgres/error.h"
#include "influx/schema/table_counts.h"
#include "influx/worker/registry.h"

namespace {

using influx::schema::TableCounts;

/// Whether the caller may see what is counted for a table. Not where it has been dropped.
bool may_see(Oid table, bool sees_all) {
  bool is_missing = false;
  const AclResult result = pg_class_aclcheck_ext(table, GetUserId(), ACL_SELECT, &is_missing);
  return !is_missing && (sees_all || result == ACLCHECK_OK);
}

}  // namespace

INFLUX_FUNCTION(influx_stat_get_tables) {
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  const bool sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);
  for (const TableCounts& counts : influx::schema::table_counts()) {
    if (!may_see(counts.table, sees_all)) continue;
    Datum values[] = {ObjectIdGetDatum(counts.table),
                      Int64GetDatum(static_cast<int64>(counts.points)),
                      Int64GetDatum(static_cast<int64>(counts.rejects)),
                      Int64GetDatum(static_cast<int64>(counts.columns_added)),
                      TimestampTzGetDatum(counts.last_insert)};
    bool nulls[lengthof(values)] = {};
    nulls[lengthof(values) - 1] = counts.last_insert == 0;
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
  }
  PG_RETURN_NULL();
}

INFLUX_FUNCTION(influx_stat_reset) {
  influx::worker::reset_counters(MyDatabaseId);
  influx::schema::reset_table_counts();
  PG_RETURN_VOID();
}
