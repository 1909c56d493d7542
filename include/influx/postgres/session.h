#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

// A background worker is one session for days, and triggers, functions and rules run in it. What
// they leave for "the session" is to be gone with their transaction, or the next batch would meet
// it: settings, roles, temporary tables, prepared statements, cursors, advisory locks.

/// Errors of this process end what it does and not the process, whatever `exit_on_error` is set to
/// for the server, the database or the role. Called before the process connects.
void survive_errors();

/// What is set from here on is undone by restore_settings(), or by the end of the transaction where
/// that fails. REQUIRES: the beginning of a transaction.
void guard_settings();

/// Sets all settings, the role among them, to what they were at guard_settings(). Behind it no code
/// of users may run in this transaction: what is deferred to its end runs before. May raise.
void restore_settings();

/// Drops what earlier transactions of the session have left, but for settings. Cheap where there is
/// nothing. REQUIRES: no transaction. May raise.
void discard_leftovers();

/// Notes what the transaction is going to leave. REQUIRES: a transaction that is about to end.
void note_leftovers() noexcept;

/// Gives back the advisory locks of the session, for which others may be waiting. REQUIRES: no
/// transaction.
void release_advisory_locks();

}  // namespace influx::postgres
