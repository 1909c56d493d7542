#include "influx/postgres/roles.h"

namespace influx::postgres {

bool may_log_in(Oid role) {
  HeapTuple tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
  if (!HeapTupleIsValid(tuple)) elog(ERROR, "role with OID %u does not exist", role);
  const bool may = reinterpret_cast<Form_pg_authid>(GETSTRUCT(tuple))->rolcanlogin;
  ReleaseSysCache(tuple);
  return may;
}

bool may_connect(Oid role) {
  return DatumGetBool(DirectFunctionCall3(has_database_privilege_id_id, ObjectIdGetDatum(role),
                                          ObjectIdGetDatum(MyDatabaseId),
                                          CStringGetTextDatum("CONNECT")));
}

}  // namespace influx::postgres
