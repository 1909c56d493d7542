#include "influx/sql/listener_checks.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/roles.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/sql/arguments.h"
#include "influx/sql/listener_ports.h"
#include "influx/worker/process_limits.h"

namespace influx::sql {

namespace {

using enum ListenerColumn;

constexpr int kMostWorkers = 64;

const char* current_user() {
  return GetUserNameFromId(GetUserId(), false);
}

ListenerPort port_of(const ListenerDefinition& listener) {
  return {listener.name(kName), listener.string(kAddress), listener.string(kService)};
}

void check_name(const ListenerDefinition& listener) {
  if (*listener.name(kName) != '\0') return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("the name of a listener must not be empty")));
}

void check_transport(const ListenerDefinition& listener) {
  if (std::strcmp(listener.string(kTransport), "udp") == 0) return;
  ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                  errmsg("transport \"%s\" is not supported", listener.string(kTransport)),
                  errhint("Use udp.")));
}

/// The role of the listener.
Oid check_role(const ListenerDefinition& listener) {
  const char* name = listener.name(kRole);
  const Oid role = get_role_oid(name, false);
  if (!postgres::may_become(GetUserId(), role)) {
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             errmsg("permission denied to have a listener work as role \"%s\"", name),
             errdetail("Role \"%s\" may not SET ROLE to it.", current_user()),
             errhint("Choose a role that you may act as, or have that one granted to you.")));
  }
  check_listener_role(role);
  if (!postgres::may_connect(role)) {
    ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                    errmsg("permission denied for database %s", get_database_name(MyDatabaseId)),
                    errhint("Grant CONNECT on the database to role \"%s\".", name)));
  }
  return role;
}

bool is_changed(const ListenerDefinition& listener, const ListenerDefinition* before,
                ListenerColumn column) {
  if (before == nullptr) return !listener.is_null(column);
  if (listener.is_null(column) || before->is_null(column))
    return listener.is_null(column) != before->is_null(column);
  return std::strcmp(listener.string(column), before->string(column)) != 0;
}

/// An override is a value that its setting would take. Whom a listener hears is for those to say
/// who may set that; and for them to take back, since what counts then may let more in.
void check_overrides(const ListenerDefinition& listener, const ListenerDefinition* before) {
  for (std::size_t i = 0; i < lengthof(kOverrideColumns); ++i) {
    const ListenerColumn column = kOverrideColumns[i];
    const char* setting = worker::kOverrides[i].setting;
    const bool is_given = !listener.is_null(column);
    if (is_given) postgres::check_setting(setting, listener.string(column));
    const bool is_administrators = column == kAddress || column == kAllowedSources;
    if (!is_administrators || postgres::may_set(setting)) continue;
    // An address that others have opened is for the port for which they have.
    const bool is_moved = is_given && column == kAddress && is_changed(listener, before, kService);
    if (!is_moved && !is_changed(listener, before, column)) continue;
    ereport(ERROR,
            (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
             is_given ? errmsg("permission denied to give a listener its own %s", setting)
                      : errmsg("permission denied to take its own %s from a listener", setting),
             errhint("This is for superusers, and for roles that were granted SET on parameter %s.",
                     setting)));
  }
}

void check_workers(const ListenerDefinition& listener) {
  const int workers = listener.integer(kWorkers);
  if (workers >= 1 && workers <= kMostWorkers) return;
  ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                  errmsg("a listener has 1 to %d workers, not %d", kMostWorkers, workers)));
}

/// The processes of `workers`, which `is_all` of them or a part, and the supervisor, within the
/// limit of the server.
void check_process_count(int workers, bool is_all) {
  const int needed = workers + 1;
  if (needed <= max_worker_processes) return;
  ereport(ERROR,
          (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
           errmsg("the listeners of database \"%s\" would need %s%d background workers",
                  get_database_name(MyDatabaseId), is_all ? "" : "at least ", needed),
           errdetail("The server has %d at most (max_worker_processes). One of those needed is the "
                     "supervisor.",
                     max_worker_processes),
           errhint("Raise max_worker_processes, or choose fewer workers.")));
}

/// The processes of `workers`, of all listeners of the role of `listener`, within its limit.
void check_share_of_role(const ListenerDefinition& listener, int workers) {
  const char* role = listener.name(kRole);
  const worker::ProcessLimits limits = worker::process_limits(get_role_oid(role, false));
  if (workers <= limits.of_role) return;
  ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                  errmsg("%s", excess_message(worker::Excess::kOfRole, role, limits)),
                  errdetail("With this one, those of database \"%s\" would have %d.",
                            get_database_name(MyDatabaseId), workers),
                  errhint("%s", excess_hint(worker::Excess::kOfRole))));
}

}  // namespace

void check_may_change(const ListenerDefinition& listener) {
  const char* role = listener.name(kRole);
  const Oid oid = get_role_oid(role, true);
  const bool may = oid == InvalidOid ? superuser() : postgres::may_become(GetUserId(), oid);
  if (may) return;
  ereport(ERROR,
          (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
           errmsg("permission denied for listener \"%s\"", listener.name(kName)),
           oid == InvalidOid
               ? errdetail("Its role \"%s\" does not exist; then it is for superusers.", role)
               : errdetail("It works as role \"%s\", and role \"%s\" may not SET ROLE to that.",
                           role, current_user())));
}

void check_definition(const ListenerDefinition& listener, const ListenerDefinition* before) {
  check_name(listener);
  check_transport(listener);
  const Oid role = check_role(listener);
  check_schema(get_namespace_oid(listener.name(kSchema), false), role);
  check_workers(listener);
  check_overrides(listener, before);
  check_port(port_of(listener));
}

void check_beside(const ListenerDefinition& listener, std::span<const ListenerDefinition> others) {
  if (!listener.flag(kEnabled)) return;
  auto* ports = static_cast<ListenerPort*>(palloc(sizeof(ListenerPort) * (others.size() + 1)));
  std::size_t count = 0;
  int workers = listener.integer(kWorkers);
  int workers_of_role = workers;
  const char* role = listener.name(kRole);
  for (const ListenerDefinition& other : others) {
    if (!other.flag(kEnabled)) continue;
    workers += other.integer(kWorkers);
    if (std::strcmp(other.name(kRole), role) == 0) workers_of_role += other.integer(kWorkers);
    ports[count++] = port_of(other);
  }
  check_process_count(workers, others.size() <= static_cast<std::size_t>(max_worker_processes));
  check_share_of_role(listener, workers_of_role);
  check_port_is_free(port_of(listener), {ports, count});
}

}  // namespace influx::sql
