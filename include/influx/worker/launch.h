#pragma once

#include "influx/worker/launch_arguments.h"

namespace influx::worker {

/// Starts a background worker and waits until it listens. Returns its pid. Raises what keeps it
/// from listening, with the worker's own words; then no worker is left. The token of the arguments
/// is chosen here.
int launch(LaunchArguments arguments);

}  // namespace influx::worker
