// worker_launch(): starts a listener.

#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/sql/arguments.h"
#include "influx/worker/launch.h"

namespace {

using influx::sql::check_listener_role;
using influx::sql::check_schema;
using influx::sql::port_of_service;
using influx::sql::precision_argument;
using influx::sql::require_argument;
using influx::sql::service_argument;

Datum launch(Oid namespace_oid, std::string_view service,
             influx::line_protocol::Precision precision) {
  check_schema(namespace_oid, GetUserId());
  check_listener_role(GetUserId());
  if (RecoveryInProgress()) {
    ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                    errmsg("cannot launch a listener during recovery"),
                    errhint("Launch it after the server has been promoted.")));
  }
  influx::worker::LaunchArguments arguments;
  arguments.database = MyDatabaseId;
  arguments.role = GetUserId();
  arguments.namespace_oid = namespace_oid;
  arguments.encoding = GetDatabaseEncoding();
  strlcpy(arguments.schema, influx::postgres::schema_name(namespace_oid), sizeof(arguments.schema));
  arguments.port = port_of_service(service);
  arguments.precision = precision;
  return Int32GetDatum(influx::worker::launch(arguments));
}

Datum launch_in_schema(FunctionCallInfo fcinfo, bool service_is_integer) {
  require_argument(fcinfo, 0, "namespace");
  return launch(PG_GETARG_OID(0), service_argument(fcinfo, 1, service_is_integer),
                precision_argument(fcinfo, 2));
}

Datum launch_here(FunctionCallInfo fcinfo, bool service_is_integer) {
  return launch(get_func_namespace(fcinfo->flinfo->fn_oid),
                service_argument(fcinfo, 0, service_is_integer),
                influx::line_protocol::Precision::kNanosecond);
}

}  // namespace

INFLUX_FUNCTION(influx_worker_launch) {
  return launch_in_schema(fcinfo, false);
}
INFLUX_FUNCTION(influx_worker_launch_port) {
  return launch_in_schema(fcinfo, true);
}
INFLUX_FUNCTION(influx_worker_launch_here) {
  return launch_here(fcinfo, false);
}
INFLUX_FUNCTION(influx_worker_launch_here_port) {
  return launch_here(fcinfo, true);
}
