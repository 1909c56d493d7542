// What happens when the server loads the module.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"

INFLUX_MODULE("1.1");

INFLUX_INIT() {
  influx::postgres::define_settings();
}
