#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

// How many processes listeners may have: nobody who may start listeners takes all background
// workers of the server. Superusers are not bound by it.

/// What bounds the listeners of a role. Plain data.
struct ProcessLimits {
  int of_role = INT_MAX;    ///< processes of listeners that work as the role
  int of_server = INT_MAX;  ///< processes of all listeners
};

/// As the settings say now. REQUIRES: a transaction. May raise.
ProcessLimits process_limits(Oid role);

/// What stands against one more process.
enum class Excess : std::uint8_t { kNone, kOfRole, kOfServer };

/// Whether one more process of a listener of `role` would be beyond `limits`. Those that wait to be
/// started again by the postmaster count, as it keeps their worker slots. REQUIRES: the lock of the
/// table of listeners.
Excess excess(Oid role, const ProcessLimits& limits) noexcept;

/// Excess in words, for a role of that name, in the current memory context. REQUIRES: not kNone.
/// May raise.
const char* excess_message(Excess excess, const char* role, const ProcessLimits& limits);
/// What can be done about it.
const char* excess_hint(Excess excess) noexcept;

}  // namespace influx::worker
