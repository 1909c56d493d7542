#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// Puts the name of a temporary file of the server into `path`, relative to its directory, which
/// no other user may enter; it is told from others by `number`. The server removes such a file when
/// it starts, if nobody has before, and leaves it out of backups. Raises.
void name_temporary_file(std::uint64_t number, std::span<char> path);

}  // namespace influx::postgres
