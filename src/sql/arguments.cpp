#include "influx/sql/arguments.h"

#include "influx/ingest/convert.h"
#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/roles.h"
#include "influx/postgres/text.h"
#include "influx/transport/endpoint.h"

namespace influx::sql {

void require_argument(FunctionCallInfo fcinfo, int index, const char* name) {
  if (!PG_ARGISNULL(index)) return;
  ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s must not be null", name)));
}

std::string_view text_argument(FunctionCallInfo fcinfo, int index) {
  return postgres::text_view(PG_GETARG_TEXT_PP(index));
}

line_protocol::Precision precision_argument(FunctionCallInfo fcinfo, int index) {
  require_argument(fcinfo, index, "precision");
  const std::string_view name = text_argument(fcinfo, index);
  const auto precision = line_protocol::precision_from_name(name);
  if (!precision.has_value()) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("unknown precision \"%s\"", postgres::c_string(name)),
                    errhint("Use ns, us, ms, s, m, h or auto; n and u are short for ns and us.")));
  }
  return *precision;
}

std::string_view service_argument(FunctionCallInfo fcinfo, int index, bool is_integer) {
  require_argument(fcinfo, index, "service");
  return is_integer ? std::string_view(psprintf("%d", PG_GETARG_INT32(index)))
                    : text_argument(fcinfo, index);
}

std::uint16_t port_of_service(std::string_view service) {
  transport::Failure failure;
  const std::optional<std::uint16_t> port = transport::udp_port(service, failure);
  if (port.has_value()) return *port;
  throw postgres::Error(
      ERRCODE_INVALID_PARAMETER_VALUE,
      "could not resolve UDP service \"" + std::string(service) + "\": " + failure.reason, {},
      "Give a port number from 1 to 65535, or a name from the services database (/etc/services).");
}

const char* existing_schema(Oid namespace_oid) {
  const char* name = get_namespace_name(namespace_oid);
  if (name == nullptr) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_SCHEMA),
                    errmsg("schema with OID %u does not exist", namespace_oid),
                    errhint("Create the schema first.")));
  }
  return name;
}

void check_schema(Oid namespace_oid, Oid role) {
  const char* name = existing_schema(namespace_oid);
  if (postgres::is_system_schema(name)) {
    ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME),
                    errmsg("cannot store points in system schema \"%s\"", name),
                    errhint("Create a schema for the tables.")));
  }
  if (!postgres::has_schema_privilege(namespace_oid, role, ACL_USAGE)) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for schema %s", name),
                    errhint("Grant USAGE on the schema, and CREATE for new tables, to role \"%s\".",
                            GetUserNameFromId(role, false))));
  }
}

void check_listener_role(Oid role) {
  if (postgres::may_log_in(role)) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
                  errmsg("role \"%s\" is not permitted to log in, and so cannot run a listener",
                         GetUserNameFromId(role, false)),
                  errhint("Choose a role with LOGIN.")));
}

std::int64_t statement_time_ns() {
  return ingest::nanoseconds_of(GetCurrentStatementStartTimestamp());
}

}  // namespace influx::sql
