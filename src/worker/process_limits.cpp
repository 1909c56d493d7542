#include "influx/worker/process_limits.h"

#include "influx/postgres/settings.h"
#include "influx/worker/entries.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

namespace {

/// Whether an entry stands for a worker slot that is taken, or is going to be.
bool has_slot(const Entry& entry) noexcept {
  if (entry.is_free()) return false;
  const ListenerStatus& status = entry.status;
  return !status.arguments.supervised || status.pid != 0 || !status.supervised.ended;
}

}  // namespace

ProcessLimits process_limits(Oid role) {
  if (superuser_arg(role)) return {};
  // Each supervisor takes a slot as well.
  const auto supervising = static_cast<int>(supervisors().size());
  return {postgres::settings.max_listeners_per_role,
          std::max(0, max_worker_processes - supervising - postgres::settings.reserved_workers)};
}

Excess excess(Oid role, const ProcessLimits& limits) noexcept {
  int of_role = 0;
  int of_server = 0;
  for (const Entry& entry : entries()) {
    if (!has_slot(entry)) continue;
    ++of_server;
    if (entry.status.arguments.role == role) ++of_role;
  }
  if (of_role >= limits.of_role) return Excess::kOfRole;
  return of_server >= limits.of_server ? Excess::kOfServer : Excess::kNone;
}

const char* excess_message(Excess excess, const char* role, const ProcessLimits& limits) {
  if (excess == Excess::kOfServer) {
    return psprintf("listeners may have no more than %d of the server's background workers",
                    limits.of_server);
  }
  return psprintf("listeners of role \"%s\" may have no more than %d processes", role,
                  limits.of_role);
}

const char* excess_hint(Excess excess) noexcept {
  return excess == Excess::kOfServer
             ? "Stop a listener, or have an administrator raise max_worker_processes or lower "
               "influx.reserved_workers."
             : "Stop a listener, or have an administrator raise influx.max_listeners_per_role.";
}

}  // namespace influx::worker
