#pragma once

#include "influx/worker/process_limits.h"
#include "influx/worker/registry.h"

namespace influx::worker {

// The supervisor's side. It makes the entry of a listener before it starts a process, so that what
// keeps the process from starting can be shown. All of these do nothing where there is no entry of
// the token, and raise only with the first use of the table in a process.

/// Makes an entry without a process. False where the table is full.
bool open_entry(const LaunchArguments& arguments, const char* listener, int ordinal);
/// Frees an entry, unless it has a process.
void close_entry(std::uint64_t token);
/// Frees the entries of supervised listeners of a database that have no process.
void close_entries(Oid database);
/// A process is going to be started, with `overrides` or later ones; unless `limits` do not allow
/// one more.
Excess note_start(std::uint64_t token, std::uint64_t overrides, const ProcessLimits& limits);
/// No process could be started.
void note_start_failure(std::uint64_t token, int sqlstate, const char* message);
/// Tells the process, if there is one, to read its settings again.
void tell_to_reload(std::uint64_t token);
/// Tells the process, if there is one, to end; once.
void tell_to_end(std::uint64_t token);

}  // namespace influx::worker
