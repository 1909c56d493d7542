// influx_run_as_owner(), which is there while a script of the extension runs.

#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/sql/arguments.h"

INFLUX_FUNCTION(influx_run_as_owner) {
  if (!creating_extension) {
    ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                    errmsg("influx_run_as_owner() is for scripts of the extension only")));
  }
  const char* sql = influx::postgres::c_string(influx::sql::text_argument(fcinfo, 1));
  SPI_connect();
  const influx::postgres::FormerUser caller =
      influx::postgres::become(influx::postgres::owner_of(PG_GETARG_OID(0)));
  const int result = SPI_execute(sql, false, 0);
  if (result < 0) elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
  influx::postgres::become_again(caller);
  SPI_finish();
  PG_RETURN_VOID();
}
