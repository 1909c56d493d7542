// listener_create() and its like: the table influx_listeners, kept by functions that refuse what
// cannot work; and the trigger that makes it known that the table was changed.

#include "influx/postgres/error.h"
#include "influx/sql/arguments.h"
#include "influx/sql/listener_checks.h"
#include "influx/sql/listener_store.h"
#include "influx/worker/supervision.h"

namespace {

using influx::sql::ListenerColumn;
using influx::sql::ListenerDefinition;
using influx::sql::ListenerStore;
using influx::worker::Supervision;

/// Tells, as a report of `level`, what is missing for the table to have an effect.
void report_missing_supervision(int level, Supervision supervision) {
  const char* database = get_database_name(MyDatabaseId);
  const auto report = [&](const char* reason, const char* hint) {
    ereport(level, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("listeners of table influx_listeners are not started: %s", reason),
                    errhint("%s", hint)));
  };
  switch (supervision) {
    case Supervision::kNotPreloaded:
      return report("library \"influx\" is not preloaded",
                    psprintf("Add influx to shared_preload_libraries, name database \"%s\" in "
                             "influx.databases, and restart the server. Until then "
                             "worker_launch() starts listeners.",
                             database));
    case Supervision::kNotNamed:
      return report(psprintf("influx.databases does not name database \"%s\"", database),
                    "Add it to influx.databases in postgresql.conf, and restart the server.");
    case Supervision::kOff:
      return report(psprintf("the supervisor of database \"%s\" does not run", database),
                    "The server log tells why. It needs one of max_worker_processes.");
    case Supervision::kOn:
      return;
  }
}

void warn_without_supervision() {
  report_missing_supervision(WARNING, influx::worker::supervision());
}

const char* name_argument(FunctionCallInfo fcinfo) {
  influx::sql::require_argument(fcinfo, 0, "name");
  return NameStr(*PG_GETARG_NAME(0));
}

Datum create(FunctionCallInfo fcinfo, bool service_is_integer) {
  PreventCommandIfReadOnly("listener_create()");
  SPI_connect();
  const ListenerDefinition listener =
      influx::sql::definition_of_arguments(fcinfo, service_is_integer);
  check_definition(listener, nullptr);
  const ListenerStore store;
  check_beside(listener, store.others(listener.name(ListenerColumn::kName)));
  store.insert(listener);
  SPI_finish();
  warn_without_supervision();
  PG_RETURN_VOID();
}

/// Writes `listener` over what it was `before`, where it can work like that.
void replace(const ListenerStore& store, const ListenerDefinition& before,
             const ListenerDefinition& listener) {
  check_definition(listener, &before);
  check_beside(listener, store.others(listener.name(ListenerColumn::kName)));
  store.update(listener);
}

Datum alter(FunctionCallInfo fcinfo, bool service_is_integer) {
  const char* name = name_argument(fcinfo);
  PreventCommandIfReadOnly("listener_alter()");
  SPI_connect();
  const ListenerStore store;
  const ListenerDefinition before = store.find(name);
  check_may_change(before);
  ListenerDefinition listener = before;
  alter_definition(fcinfo, service_is_integer, &listener);
  replace(store, before, listener);
  SPI_finish();
  warn_without_supervision();
  PG_RETURN_VOID();
}

}  // namespace

INFLUX_FUNCTION(influx_listener_create) {
  return create(fcinfo, false);
}
INFLUX_FUNCTION(influx_listener_create_port) {
  return create(fcinfo, true);
}

INFLUX_FUNCTION(influx_listener_alter) {
  return alter(fcinfo, false);
}
INFLUX_FUNCTION(influx_listener_alter_port) {
  return alter(fcinfo, true);
}

INFLUX_FUNCTION(influx_listener_drop) {
  const char* name = name_argument(fcinfo);
  PreventCommandIfReadOnly("listener_drop()");
  SPI_connect();
  const ListenerStore store;
  check_may_change(store.find(name));
  store.remove(name);
  SPI_finish();
  warn_without_supervision();
  PG_RETURN_VOID();
}

INFLUX_FUNCTION(influx_listener_start) {
  const char* name = name_argument(fcinfo);
  PreventCommandIfReadOnly("listener_start()");
  report_missing_supervision(ERROR, influx::worker::supervision());
  SPI_connect();
  const ListenerStore store;
  const ListenerDefinition before = store.find(name);
  check_may_change(before);
  ListenerDefinition listener = before;
  listener.set(ListenerColumn::kEnabled, BoolGetDatum(true));
  replace(store, before, listener);
  SPI_finish();
  PG_RETURN_VOID();
}

// Nothing is checked: what cannot work any more can be stopped.
INFLUX_FUNCTION(influx_listener_stop) {
  const char* name = name_argument(fcinfo);
  PreventCommandIfReadOnly("listener_stop()");
  SPI_connect();
  const ListenerStore store;
  ListenerDefinition listener = store.find(name);
  check_may_change(listener);
  listener.set(ListenerColumn::kEnabled, BoolGetDatum(false));
  store.update(listener);
  SPI_finish();
  warn_without_supervision();
  PG_RETURN_VOID();
}

// It refuses nothing: a restore brings rows before the roles have their rights, or to a server
// without supervision.
INFLUX_FUNCTION(influx_listeners_changed) {
  if (!CALLED_AS_TRIGGER(fcinfo)) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("influx_listeners_changed() was not called by a trigger")));
  }
  influx::worker::wake_supervisor_at_commit();
  return PointerGetDatum(nullptr);  // by its protocol, a trigger has no NULL
}
