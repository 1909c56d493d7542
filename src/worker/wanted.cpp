#include "influx/worker/wanted.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/endpoint.h"
#include "influx/worker/entries.h"

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
  if (role != InvalidOid) process->limits = process_limits(role);
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
         psprintf("could not resolve UDP service \"%s\": %s",
                  postgres::shortened(row.service, NAMEDATALEN), reason));
}

void resolve_precision(const ListenerRow& row, WantedProcess* process) {
  const auto precision = line_protocol::precision_from_name(row.precision);
  if (precision.has_value()) {
    process->arguments.precision = *precision;
  } else {
    object(process, ERRCODE_INVALID_PARAMETER_VALUE,
           psprintf("unknown precision \"%s\"", postgres::shortened(row.precision, NAMEDATALEN)));
  }
}

WantedProcess resolve(const ListenerRow& row, Oid owner) {
  WantedProcess process{};
  process.arguments.database = MyDatabaseId;
  process.arguments.encoding = GetDatabaseEncoding();
  process.arguments.supervised = true;
  process.listener = pstrdup(row.name);
  process.role = pstrdup(row.role);
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

/// A name of a listener, by which it is found.
struct KnownName {
  char name[NAMEDATALEN];
  bool taken;  ///< its row was
};

/// A table of names in the current memory context.
HTAB* make_names() {
  HASHCTL control{};
  control.keysize = NAMEDATALEN;
  control.entrysize = sizeof(KnownName);
  control.hcxt = CurrentMemoryContext;
  return hash_create("influx listeners", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/// The entry of a name; nullptr where there is none and it is not to be `made`.
KnownName* find_name(HTAB* names, const char* name, bool made) {
  bool found = false;
  auto* known =
      static_cast<KnownName*>(hash_search(names, name, made ? HASH_ENTER : HASH_FIND, &found));
  if (made && !found) known->taken = false;
  return known;
}

/// Takes what is wanted from the rows. Everything it keeps is in the memory context in which it was
/// made.
class Collector final : public ListenerSink {
 public:
  explicit Collector(std::span<const ListenerStatus> there)
      : memory_(CurrentMemoryContext), names_(make_names()) {
    for (const ListenerStatus& status : there) {
      if (status.arguments.supervised && status.arguments.database == MyDatabaseId)
        find_name(names_, status.supervised.listener, true);
    }
  }

  bool wants(const char* name, bool enabled) override {
    if (!enabled) return false;
    const KnownName* known = find_name(names_, name, false);
    // A table that has lost its primary key may have a name twice; the first row counts.
    if (known != nullptr) return !known->taken;
    if (count_ < static_cast<std::size_t>(most_supervised())) return true;
    if (left_out_ == nullptr) left_out_ = MemoryContextStrdup(memory_, name);
    return false;
  }

  void take(const ListenerRow& row, Oid owner) override {
    postgres::in_context(memory_, [&] {
      find_name(names_, row.name, true)->taken = true;
      const int workers = processes_of(row);
      reserve(count_ + static_cast<std::size_t>(workers));
      WantedProcess process = resolve(row, owner);
      for (process.ordinal = 1; process.ordinal <= workers; ++process.ordinal)
        processes_[count_++] = process;
    });
  }

  Wanted wanted() const noexcept { return {{processes_, count_}, left_out_}; }

 private:
  void reserve(std::size_t wanted) {
    if (wanted <= room_) return;
    room_ = std::max(wanted, 2 * room_);
    const Size size = mul_size(sizeof(WantedProcess), room_);
    processes_ = static_cast<WantedProcess*>(processes_ == nullptr ? palloc(size)
                                                                   : repalloc(processes_, size));
  }

  MemoryContext memory_;
  HTAB* names_;
  WantedProcess* processes_ = nullptr;
  std::size_t count_ = 0;
  std::size_t room_ = 0;
  const char* left_out_ = nullptr;
};

}  // namespace

Wanted wanted_processes(std::span<const ListenerStatus> there) {
  Collector collector(there);
  read_listener_table(true, &collector);
  return collector.wanted();
}

}  // namespace influx::worker
