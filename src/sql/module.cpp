// What happens when the server loads the module.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"
#include "influx/worker/database_drop.h"
#include "influx/worker/supervision.h"
#include "influx/worker/supervisors.h"

// The version is given by the Makefile.
INFLUX_MODULE(INFLUX_VERSION);

INFLUX_INIT() {
  influx::postgres::define_settings();
  if (!process_shared_preload_libraries_in_progress) return;
  influx::worker::register_supervisors();
  influx::worker::watch_listener_table();
  influx::worker::watch_database_drops();
}
