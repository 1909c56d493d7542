#include "influx/postgres/settings.h"

#include "influx/postgres/text.h"
#include "influx/transport/source_filter.h"

extern "C" {
#include "utils/varlena.h"
}

namespace influx::postgres {

// The server writes the boot values into it when the settings are defined.
constinit Settings settings{};

bool split_list(const char* value, List** elements) {
  return SplitGUCList(pstrdup(value), ',', elements);
}

void check_setting(const char* name, const char* value) {
  set_config_option(name, value, PGC_SIGHUP, PGC_S_TEST, GUC_ACTION_SET, false, ERROR, false);
}

bool may_set(const char* name) {
  return pg_parameter_aclcheck(name, GetUserId(), ACL_SET) == ACLCHECK_OK;
}

namespace {

constexpr int kMostWorkers = 262143;  // the server has no more of max_worker_processes

const config_enum_entry kLayouts[] = {
    {"columns", kLayoutColumns, false}, {"json", kLayoutJson, false}, {nullptr, 0, false}};

const config_enum_entry kOnConflict[] = {{"merge", kOnConflictMerge, false},
                                         {"nothing", kOnConflictNothing, false},
                                         {"error", kOnConflictError, false},
                                         {nullptr, 0, false}};

const config_enum_entry kRowSources[] = {
    {"auto", kRowSourceAuto, false}, {"arrays", kRowSourceArrays, false}, {nullptr, 0, false}};

const config_enum_entry kRejects[] = {{"table", kRejectsTable, false},
                                      {"log", kRejectsLog, false},
                                      {"off", kRejectsOff, false},
                                      {nullptr, 0, false}};

bool check_listen_addresses(char** value, void**, GucSource) {
  List* addresses = NIL;
  if (!split_list(*value, &addresses)) {
    GUC_check_errdetail("List syntax is invalid.");
    return false;
  }
  if (addresses == NIL) {
    GUC_check_errdetail("At least one address is needed.");
    return false;
  }
  return true;
}

bool check_databases(char** value, void**, GucSource) {
  List* names = NIL;
  if (!split_list(*value, &names)) {
    GUC_check_errdetail("List syntax is invalid.");
    return false;
  }
  const ListCell* cell = nullptr;
  foreach (cell, names) {
    const std::size_t length = std::strlen(static_cast<const char*>(lfirst(cell)));
    if (length > 0 && length < NAMEDATALEN) continue;
    GUC_check_errdetail("The name of a database has 1 to %d bytes.", NAMEDATALEN - 1);
    return false;
  }
  return true;
}

/// Whether `list` can be read; else why not, in `reason`, as far as it has room.
bool is_source_list(const char* list, std::span<char> reason) noexcept {
  try {
    transport::Failure failure;
    if (transport::SourceFilter::parse(list, failure).has_value()) return true;
    // The element may be anything, of any length.
    copy_cut(reason, failure.reason);
  } catch (const std::bad_alloc&) {
    copy_cut(reason, "is too long for the memory that is left");
  }
  return false;
}

bool check_allowed_sources(char** value, void**, GucSource) {
  char reason[256];
  if (is_source_list(*value, reason)) return true;
  GUC_check_errdetail("List %s.", reason);
  return false;
}

bool check_time_column(char** value, void**, GucSource) {
  const std::size_t length = std::strlen(*value);
  if (length == 0 || length >= NAMEDATALEN) {
    GUC_check_errdetail("The name of a column has 1 to %d bytes.", NAMEDATALEN - 1);
    return false;
  }
  return true;
}

}  // namespace

void define_settings() {
  DefineCustomStringVariable("influx.listen_addresses",
                             "Host names or addresses on which listeners receive datagrams.",
                             "A comma-separated list; \"localhost\" is the loopback of both "
                             "families, \"*\" every address.",
                             &settings.listen_addresses, "localhost", PGC_SIGHUP, GUC_LIST_INPUT,
                             check_listen_addresses, nullptr, nullptr);
  DefineCustomStringVariable(
      "influx.allowed_sources", "Networks from which listeners take datagrams.",
      "A comma-separated list of addresses and of networks in CIDR form; empty takes everybody's.",
      &settings.allowed_sources, "", PGC_SUSET, GUC_LIST_INPUT, check_allowed_sources, nullptr,
      nullptr);
  DefineCustomIntVariable(
      "influx.read_buffer", "Receive buffer that a listener asks the kernel for, for each socket.",
      "The kernel grants no more than net.core.rmem_max to an unprivileged process; a listener "
      "logs the size granted.",
      &settings.read_buffer, 4096, 4, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, nullptr, nullptr,
      nullptr);
  DefineCustomIntVariable("influx.max_pending",
                          "Memory of a listener for datagrams that wait to be written.",
                          "Used while a write takes longer than the kernel's buffer lasts. Takes "
                          "effect when a listener "
                          "starts.",
                          &settings.max_pending, 64 * 1024, 1024, 1024 * 1024, PGC_SIGHUP,
                          GUC_UNIT_KB, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.max_memory", "Memory of a listener for all that is not lines that wait.",
      "For the rows of a batch, descriptions of tables, plans, and what the server caches of its "
      "catalogs. What was used least recently is given up for it.",
      &settings.max_memory, 256 * 1024, 16 * 1024, MAX_KILOBYTES, PGC_SIGHUP, GUC_UNIT_KB, nullptr,
      nullptr, nullptr);
  DefineCustomIntVariable("influx.batch_size", "Lines after which a listener writes its batch.",
                          nullptr, &settings.batch_size, 30000, 1, 1000000, PGC_SIGHUP, 0, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("influx.batch_bytes",
                          "Bytes received after which a listener writes its batch.", nullptr,
                          &settings.batch_bytes, 16 * 1024, 64, 256 * 1024, PGC_SIGHUP, GUC_UNIT_KB,
                          nullptr, nullptr, nullptr);
  DefineCustomIntVariable("influx.batch_timeout",
                          "Longest time that a received line waits before it is written.", nullptr,
                          &settings.batch_timeout, 100, 1, 60000, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable("influx.lock_timeout",
                          "Longest time that a listener waits for locks while it writes a batch.",
                          "After that the lines of a table that is locked are kept for later, and "
                          "the others are written.",
                          &settings.lock_timeout, 100, 1, 60000, PGC_SIGHUP, GUC_UNIT_MS, nullptr,
                          nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.extend_timeout", "Longest time that lines wait for a column or a table of theirs.",
      "It cannot be made while others use the table, or have locked what is needed. Lines that fit "
      "the table as it is do not wait.",
      &settings.extend_timeout, 900, 1, 86400, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.max_ddl_rate",
      "Tables and columns that a listener makes in a second for each sender.",
      "What lines need beyond that is made later, in turn for all senders; all of them together "
      "have four times as many.",
      &settings.max_ddl_rate, 1000, 1, 1000000, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable("influx.rejects", "What becomes of lines that cannot be stored.",
                           "\"table\": kept in the table influx_rejects; \"log\": written to the "
                           "server log; \"off\": counted only.",
                           &settings.rejects, kRejectsTable, kRejects, PGC_SIGHUP, 0, nullptr,
                           nullptr, nullptr);
  DefineCustomIntVariable("influx.max_rejects", "Most rows in the table influx_rejects.",
                          "When there are more, the oldest go.", &settings.max_rejects, 10000, 0,
                          10000000, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("influx.max_reject_bytes",
                          "Most bytes in the table influx_rejects, and of a listener's lines that "
                          "wait to be put there.",
                          "When there are more, the oldest go.", &settings.max_reject_bytes,
                          16 * 1024, 1024, 1024 * 1024, PGC_SIGHUP, GUC_UNIT_KB, nullptr, nullptr,
                          nullptr);
  DefineCustomBoolVariable("influx.dump_rejects",
                           "Whether pg_dump takes the rows of influx_rejects.",
                           "They are what strangers have sent.", &settings.dump_rejects, false,
                           PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable("influx.max_reject_rate",
                          "Most lines that a listener puts into influx_rejects in a second.",
                          "Further ones are counted only.", &settings.max_reject_rate, 1000, 0,
                          1000000, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.restart_time", "Time after which a listener that has failed is started again.",
      "-1 means that it is not started again. Repeated failures make the time longer.",
      &settings.restart_time, 10, -1, 3600, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.max_listeners_per_role", "Most processes of listeners that work as one role.",
      "Those that are superusers are not bound by it.", &settings.max_listeners_per_role, 8, 0,
      kMostWorkers, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.reserved_workers", "How many of max_worker_processes listeners leave to others.",
      "Listeners that work as superusers are not bound by it.", &settings.reserved_workers, 2, 0,
      kMostWorkers, PGC_SIGHUP, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable("influx.auto_create",
                           "Creates the table of a measurement that has none.", nullptr,
                           &settings.auto_create, true, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomBoolVariable(
      "influx.auto_extend", "Adds a column for a tag or field that has none.",
      "Only where the table has no jsonb column _tags or _fields that takes the value.",
      &settings.auto_extend, true, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.max_tables", "Tables in a schema up to which missing ones are created.",
      "Tables, partitioned tables, foreign tables and views count; partitions do not.",
      &settings.max_tables, 10000, 0, INT_MAX, PGC_SUSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.max_columns", "Columns of a table up to which missing ones are added.",
      "Dropped columns count, as they do for the server.", &settings.max_columns, 1000, 1,
      MaxHeapAttributeNumber, PGC_SUSET, 0, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable(
      "influx.layout", "Layout of the tables that are created.",
      "\"columns\": a column for each tag and field; \"json\": the jsonb columns "
      "_tags and _fields.",
      &settings.layout, kLayoutColumns, kLayouts, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomStringVariable(
      "influx.time_column", "Column of the timestamp in a table that has no column _time.", nullptr,
      &settings.time_column, "time", PGC_USERSET, 0, check_time_column, nullptr, nullptr);
  DefineCustomBoolVariable(
      "influx.notify", "Notifies the channel \"influx\" of tables and columns that are made.",
      nullptr, &settings.notify, false, PGC_USERSET, 0, nullptr, nullptr, nullptr);
  DefineCustomIntVariable(
      "influx.log_interval", "Time after which a listener logs again what it has done.",
      "0 means that it does not. Where it has done nothing it logs nothing.",
      &settings.log_interval, 0, 0, 86400, PGC_SIGHUP, GUC_UNIT_S, nullptr, nullptr, nullptr);
  DefineCustomEnumVariable(
      "influx.on_conflict", "What becomes of a point whose key is in its table already.",
      "\"merge\": it updates the fields that it brings; \"nothing\": the row stays as it is; "
      "\"error\": the point is refused.",
      &settings.on_conflict, kOnConflictMerge, kOnConflict, PGC_USERSET, 0, nullptr, nullptr,
      nullptr);
  DefineCustomEnumVariable(
      "influx.row_source", "Where INSERT finds the rows of a batch.",
      "For tests: \"arrays\" forces the form that is otherwise used only where "
      "a planner refuses the tuplestore.",
      &settings.row_source, kRowSourceAuto, kRowSources, PGC_USERSET,
      GUC_NOT_IN_SAMPLE | GUC_NO_SHOW_ALL, nullptr, nullptr, nullptr);
  // The server takes a setting that needs a restart only from a module that it loads at its start;
  // in another one it has no effect.
  DefineCustomStringVariable(
      "influx.databases", "Databases whose listeners are started with the server.",
      "A comma-separated list. Takes effect where influx is in shared_preload_libraries.",
      &settings.databases, "",
      process_shared_preload_libraries_in_progress ? PGC_POSTMASTER : PGC_SIGHUP, GUC_LIST_INPUT,
      check_databases, nullptr, nullptr);
  MarkGUCPrefixReserved("influx");
}

}  // namespace influx::postgres
