#pragma once

#include "influx/worker/launch_arguments.h"
#include "influx/worker/registration.h"

namespace influx::worker {

/// Puts the values that the row of this process's listener has in the place of settings, for this
/// process: all that reads the settings finds them there, and a reload of the configuration leaves
/// them. A value that the row does not have any more gives way to the configuration's. One that is
/// not valid is logged, and leaves the one before.
///
/// Where somebody has the table of listeners locked, and `wait` is not set, it does nothing now:
/// the supervisor is woken up to have the process reload when the table is free. Does nothing for a
/// listener launched by SQL. REQUIRES: no transaction. May raise.
void take_overrides(const LaunchArguments& arguments, Registration& registration, bool wait);

}  // namespace influx::worker
