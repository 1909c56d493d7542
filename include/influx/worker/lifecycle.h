#pragma once

#include "influx/postgres/error.h"
#include "influx/worker/launch_arguments.h"
#include "influx/worker/registration.h"
#include "influx/worker/start_channel.h"

namespace influx::worker {

/// How the process of a listener begins and ends.
///
/// It begins because worker_launch() registered it, and then tells its launcher how that went; or
/// because the postmaster starts it again, and then nobody waits for it; or as the heir of a
/// process that gives way to it, see worker/succession.h. It ends for good where it was told to,
/// where it fails to start for the first time, and where a restart would be of no use; the
/// postmaster is told by the exit code 0. Else it ends to be started again.
///
/// The process of a supervised listener is started by its supervisor, each time, and ends for good
/// as far as the postmaster is concerned. How it ended is left in its entry of the table of
/// listeners, and the supervisor is woken up to read it.
///
/// There is one object in a process, and it lives until the process ends.
class Lifecycle {
 public:
  /// Enters the listener into the table of listeners and, where an earlier process of it failed,
  /// waits until it is time to try again. False where the process is to end instead. May raise.
  bool begin(dsm_handle channel);
  /// Whether the process is to follow another one, which has the listener still.
  bool is_heir() const noexcept { return is_heir_; }

  const LaunchArguments& arguments() const noexcept { return arguments_; }
  Registration& registration() noexcept { return registration_; }

  /// Runs `steps`, after which the process listens; or is to end, where they return false. What
  /// error comes in between is told and kept, and raised. The rules of postgres::guard() hold.
  template <typename Steps>
  bool start(Steps&& steps) {
    bool listens = false;
    attempt([&] { listens = steps(); });
    if (listens) note_listening();
    return listens;
  }

  /// Runs `steps`, the work of the process, in the same way.
  template <typename Steps>
  void run(Steps&& steps) {
    attempt(steps);
  }

 private:
  template <typename Steps>
  void attempt(Steps&& steps) {
    postgres::PendingError error;
    try {
      postgres::guard(steps);
      return;
    } catch (...) {
      error.capture();
    }
    note_failure(error);
    error.raise();
  }

  static void on_report(ErrorData* report);
  void note_failure(const postgres::PendingError& error);
  void note_failure(int sqlstate, const char* message, const char* detail, const char* hint);
  void note_listening();
  bool wait_to_restart();
  bool ends_for_good(int exit_code) const noexcept;
  void note_end(const char* reason);
  void end(int exit_code);
  void tell_not_restarted(const char* reason) const;

  LaunchArguments arguments_;
  StartChannel channel_;
  Registration registration_;
  bool is_restart_ = false;
  bool is_heir_ = false;
  std::int64_t listening_since_ns_ = 0;  ///< on the monotonic clock; 0 until it listens
  bool failed_ = false;
  int failure_sqlstate_ = 0;
  char failure_message_[256] = "";
  bool for_good_ = false;
};

}  // namespace influx::worker
