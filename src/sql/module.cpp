// What happens when the server loads the module.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"

// The version is given by the Makefile.
INFLUX_MODULE(INFLUX_VERSION);

INFLUX_INIT() {
  influx::postgres::define_settings();
}
