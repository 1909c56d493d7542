#pragma once

#include <string>

#include "influx/transport/endpoint.h"

namespace influx::transport {

/// What the system says of `error_number`, an errno.
Failure system_failure(int error_number);

/// The text of the system put into the form of Failure::reason: it starts in lower case.
std::string as_reason(std::string text);

}  // namespace influx::transport
