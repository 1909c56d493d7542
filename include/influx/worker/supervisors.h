#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// Seconds after which the postmaster starts a supervisor again; it waits longer itself where that
/// is due.
inline constexpr int kSupervisorRestartTime = 1;

/// What all processes know of the supervisor of a database. In shared memory, with one for each
/// database that `influx.databases` names, in its order. Plain data, gone with a crash of the
/// server.
struct SupervisorSlot {
  std::atomic<Oid> database{InvalidOid};  ///< to which it is connected, or was last
  std::atomic<int> pid{0};                ///< 0 where there is no process that is connected
  std::atomic<std::uint32_t> changes{0};  ///< how often its table of listeners was changed
  std::atomic<int> failures{0};           ///< in a row
};

/// Registers the supervisors with the postmaster: one for each database that `influx.databases`
/// names, with the number of its slot as argument and the name in bgw_extra. None in a server that
/// is being upgraded. Called once, in the postmaster, when the module is preloaded.
void register_supervisors();

/// Whether register_supervisors() was called in this server.
bool is_preloaded() noexcept;

/// How often the server has reset itself after the crash of a process, without a time in between in
/// which it would have recovered (kRecoveredAfter); 0 where it never has. The number is that of the
/// start of this process. REQUIRES: is_preloaded().
int crashes_in_a_row() noexcept;

/// The databases that `influx.databases` names, each once: a List of char *, in the current memory
/// context. May raise.
List* supervised_databases();

/// The supervisors of the server. Empty where the module is not preloaded. Attaches to shared
/// memory with the first call in a process, and may raise there.
std::span<SupervisorSlot> supervisors();

/// Wakes up the supervisor of a database, if it has one: something has happened to a listener, or
/// `changed` the table of listeners. Does nothing before the first supervisors().
void wake_supervisor(Oid database, bool changed) noexcept;

}  // namespace influx::worker
