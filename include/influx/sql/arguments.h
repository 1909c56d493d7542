#pragma once

#include "influx/line_protocol/precision.h"
#include "influx/postgres/server.h"

namespace influx::sql {

// Arguments of the SQL functions. All of these raise what is wrong with an argument.

/// Raises where argument `index` is NULL; `name` is what the user calls it.
void require_argument(FunctionCallInfo fcinfo, int index, const char* name);

/// A text argument, in the server's encoding, in the current memory context.
std::string_view text_argument(FunctionCallInfo fcinfo, int index);

/// A text argument that names a precision.
line_protocol::Precision precision_argument(FunctionCallInfo fcinfo, int index);

/// A service given as a text, a name or number, or as an integer, as a text.
std::string_view service_argument(FunctionCallInfo fcinfo, int index, bool is_integer);

/// The UDP port that `service` means.
std::uint16_t port_of_service(std::string_view service);

/// The name of a schema. Raises where there is none.
const char* existing_schema(Oid namespace_oid);

/// Raises where points cannot be stored in the schema by `role`: it belongs to the server, the role
/// may not look up objects in it, or there is none.
void check_schema(Oid namespace_oid, Oid role);

/// Raises where no listener can work as `role`: it is not permitted to log in.
void check_listener_role(Oid role);

/// When the statement came in, in nanoseconds since the Unix epoch: the time of receipt of lines
/// that are given to a function.
std::int64_t statement_time_ns();

}  // namespace influx::sql
