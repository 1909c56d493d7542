#include "influx/worker/signals.h"

#include <cerrno>

#include "influx/transport/clock.h"

namespace influx::worker {

namespace {

constexpr int kTickMs = 200;

/// What comes this soon after a SIGTERM is the same request: at a fast shutdown the postmaster
/// sends one to the process and one to its group.
constexpr std::int64_t kSameRequestNs = 100 * transport::kNsPerMs;

// Written by signal handlers.
volatile sig_atomic_t requested = 0;
volatile std::int64_t requested_at_ns = 0;  ///< read by the handler only
volatile sig_atomic_t cancels_wait = 0;
volatile sig_atomic_t ticks_since_request = 0;
volatile sig_atomic_t cancellable = 0;  ///< there is a statement, and who takes its error
volatile sig_atomic_t leaving = 0;      ///< counts as a request, and is none to end for good

TimeoutId write_watch = MAX_TIMEOUTS;

/// What the server's own die() does.
void end_at_next_check() {
  InterruptPending = true;
  ProcDiePending = true;
  SetLatch(MyLatch);
}

void on_terminate(SIGNAL_ARGS) {
  (void)postgres_signal_arg;
  const int saved_errno = errno;
  const std::int64_t now_ns = transport::monotonic_ns();
  if (requested == 0) {
    requested_at_ns = now_ns;
  } else if (now_ns - requested_at_ns >= kSameRequestNs) {
    end_at_next_check();
  }
  requested = 1;
  if (cancels_wait != 0) {
    // What pg_cancel_backend() does.
    InterruptPending = true;
    QueryCancelPending = true;
  }
  SetLatch(MyLatch);
  errno = saved_errno;
}

void on_terminate_at_once(SIGNAL_ARGS) {
  (void)postgres_signal_arg;
  const int saved_errno = errno;
  requested = 1;
  end_at_next_check();
  errno = saved_errno;
}

void on_cancel(SIGNAL_ARGS) {
  if (cancellable != 0) StatementCancelHandler(postgres_signal_arg);
}

void on_tick() {
  // A batch under load takes its time; who is left behind holds the server's memory, and its port.
  if (!PostmasterIsAlive()) return end_at_next_check();
  if (requested == 0 && leaving == 0) return;
  ticks_since_request = ticks_since_request + 1;
  if (ticks_since_request * kTickMs >= kGraceMs) end_at_next_check();
}

}  // namespace

void install_signal_handlers() {
  pqsignal(SIGTERM, on_terminate);
  pqsignal(SIGINT, on_cancel);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
}

void install_supervisor_signal_handlers() {
  pqsignal(SIGTERM, on_terminate_at_once);
  pqsignal(SIGINT, on_cancel);
  pqsignal(SIGHUP, SignalHandlerForConfigReload);
  BackgroundWorkerUnblockSignals();
}

bool shutdown_requested() noexcept {
  return requested != 0;
}

void allow_cancel() noexcept {
  cancellable = 1;
}

void forbid_cancel() noexcept {
  cancellable = 0;
  QueryCancelPending = false;  // came too late
}

bool begin_long_wait() noexcept {
  cancels_wait = 1;
  return requested == 0;
}

void end_long_wait() noexcept {
  cancels_wait = 0;
  QueryCancelPending = false;
}

void end_if_requested() noexcept {
  if (requested != 0) end_at_next_check();
}

void start_write_watch() {
  if (write_watch == MAX_TIMEOUTS) write_watch = RegisterTimeout(USER_TIMEOUT, on_tick);
  enable_timeout_every(write_watch, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kTickMs),
                       kTickMs);
}

void allow_interrupts_at_exit() {
  ticks_since_request = 0;
  leaving = 1;
  start_write_watch();
  InterruptHoldoffCount = 0;
}

void forbid_interrupts_at_exit() {
  stop_write_watch();
  leaving = 0;
  InterruptHoldoffCount = 1;
}

void stop_write_watch() {
  disable_timeout(write_watch, false);
}

}  // namespace influx::worker
