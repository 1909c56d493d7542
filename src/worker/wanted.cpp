#include "influx/worker/wanted.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/text.h"
#include "influx/transport/endpoint.h"

namespace influx::worker {

namespace {

void object(WantedProcess* process, int sqlstate, const char* objection) {
  if (process->objection != nullptr) return;  // the first one is told
  process->sqlstate = sqlstate;
  process->objection = objection;
}

void resolve_schema(const ListenerRow& row, WantedProcess* process) {
  strlcpy(process->arguments.schema, row.schema, sizeof(process->arguments.schema));
  process->arguments.namespace_oid = get_namespace_oid(row.schema, true);
  if (process->arguments.namespace_oid == InvalidOid) {
    object(process, ERRCODE_UNDEFINED_SCHEMA, psprintf("schema \"%s\" does not exist", row.schema));
  } else if (postgres::is_system_schema(row.schema)) {
    object(process, ERRCODE_RESERVED_NAME,
           psprintf("cannot store points in system schema \"%s\"", row.schema));
  }
}

void resolve_role(const ListenerRow& row, Oid owner, WantedProcess* process) {
  const Oid role = get_role_oid(row.role, true);
  process->arguments.role = role;
  if (role == InvalidOid) {
    object(process, ERRCODE_UNDEFINED_OBJECT, psprintf("role \"%s\" does not exist", row.role));
  } else if (!postgres::may_become(owner, role)) {
    object(
        process, ERRCODE_INSUFFICIENT_PRIVILEGE,
        psprintf("the owner of table \"%s\" may not SET ROLE to \"%s\"", kListenerTable, row.role));
  }
}

/// The port that a service means, or 0, with the reason in `reason`. Calls nothing of the server.
std::uint16_t resolve_port(std::string_view service, std::span<char> reason) {
  transport::Failure failure;
  const std::optional<std::uint16_t> port = transport::udp_port(service, failure);
  if (port.has_value()) return *port;
  postgres::copy_cut(reason, failure.reason);
  return 0;
}

void resolve_service(const ListenerRow& row, WantedProcess* process) {
  char reason[128];
  process->arguments.port = resolve_port(row.service, reason);
  if (process->arguments.port != 0) return;
  object(process, ERRCODE_INVALID_PARAMETER_VALUE,
         psprintf("could not resolve UDP service \"%s\": %s", row.service, reason));
}

void resolve_precision(const ListenerRow& row, WantedProcess* process) {
  const auto precision = line_protocol::precision_from_name(row.precision);
  if (precision.has_value()) {
    process->arguments.precision = *precision;
  } else {
    object(process, ERRCODE_INVALID_PARAMETER_VALUE,
           psprintf("unknown precision \"%s\"", row.precision));
  }
}

WantedProcess resolve(const ListenerRow& row, Oid owner) {
  WantedProcess process{};
  process.arguments.database = MyDatabaseId;
  process.arguments.encoding = GetDatabaseEncoding();
  process.arguments.supervised = true;
  process.listener = row.name;
  process.overrides = row.overrides_hash();
  resolve_schema(row, &process);
  resolve_role(row, owner, &process);
  resolve_service(row, &process);
  resolve_precision(row, &process);
  return process;
}

/// How many processes a row asks for: no more than there can be, whatever it says.
int processes_of(const ListenerRow& row) noexcept {
  return row.enabled ? std::clamp(row.workers, 0, max_worker_processes) : 0;
}

}  // namespace

std::span<WantedProcess> wanted_processes(const ListenerTable& table) {
  std::size_t most = 0;
  for (const ListenerRow& row : table.rows)
    most += static_cast<std::size_t>(processes_of(row));
  auto* processes = static_cast<WantedProcess*>(palloc(mul_size(sizeof(WantedProcess), most + 1)));
  std::size_t count = 0;
  for (const ListenerRow& row : table.rows) {
    // A table that has lost its primary key may have a name twice; the first row counts.
    if (table.find(row.name) != &row) continue;
    const int workers = processes_of(row);
    if (workers == 0) continue;
    WantedProcess process = resolve(row, table.owner);
    for (process.ordinal = 1; process.ordinal <= workers; ++process.ordinal)
      processes[count++] = process;
  }
  return {processes, count};
}

}  // namespace influx::worker
