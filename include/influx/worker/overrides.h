#pragma once

#include "influx/worker/launch_arguments.h"
#include "influx/worker/registration.h"

namespace influx::worker {

/// Puts the values that the row of this process's listener has in the place of settings, for this
/// process: all that reads the settings finds them there, and a reload of the configuration leaves
/// them. A value that the row does not have any more gives way to the configuration's.
///
/// A process that `starts` waits for the table of listeners where somebody has it locked, and a
/// value that is not valid is an error: a filter of sources that cannot be read must not let
/// everybody in. One that listens goes on: a value that is not valid is logged and shown, and
/// leaves the one before; where the table is locked it does nothing now, and wakes up the
/// supervisor, which has it reload when the table is free.
///
/// Does nothing for a listener launched by SQL. REQUIRES: no transaction. May raise.
void take_overrides(const LaunchArguments& arguments, Registration& registration, bool starts);

/// Whether the value of `setting` in this process is that of the row of its listener.
bool is_overridden(const char* setting) noexcept;

}  // namespace influx::worker
