#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// Installs the signal handlers of a worker and unblocks the signals.
///
/// SIGTERM asks for an orderly end: the loop sees shutdown_requested() and writes what was
/// received. A second SIGTERM that does not follow the first at once, or a write that does not end
/// within kGraceMs of the first, ends the process at the server's next check for interrupts, and
/// the batch is rolled back.
///
/// A cancel, by pg_cancel_backend() or a timeout of the server, counts between allow_cancel() and
/// forbid_cancel() only.
void install_signal_handlers();

/// The same for a supervisor, which has nothing to finish: SIGTERM ends it at the server's next
/// check for interrupts.
void install_supervisor_signal_handlers();

/// Between these two a cancel raises an error at the server's next check for interrupts; at any
/// other time the process takes no notice of one. That a transaction is open is not enough: one is
/// from the first line of a batch on, and the server checks for interrupts at each report as well,
/// where nobody would take the error.
void allow_cancel() noexcept;
void forbid_cancel() noexcept;

/// Whether the process was asked to end.
bool shutdown_requested() noexcept;

/// Has the process of a listener that was asked to end do so at the server's next check for
/// interrupts: for where it waits, and has nothing to finish.
void end_if_requested() noexcept;

/// How long a write may go on after SIGTERM.
inline constexpr int kGraceMs = 600;

/// Begins a wait within a write that nothing depends on: until its end SIGTERM also cancels the
/// statement, as pg_cancel_backend() does. False where there is no time for it any more. REQUIRES:
/// end_long_wait() behind it, in either case.
bool begin_long_wait() noexcept;
void end_long_wait() noexcept;

/// Watches over a write, or over the start of the process, which may wait for a lock as well: while
/// one is on, a timer looks whether its grace is over.
void start_write_watch();
void stop_write_watch();

/// The process is on its way out, where the server turns off its checks for interrupts, and has
/// something to write: the checks are on until it is done, and the next one after kGraceMs ends it.
void allow_interrupts_at_exit();
void forbid_interrupts_at_exit();

}  // namespace influx::worker
