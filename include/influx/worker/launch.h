#pragma once

#include "influx/line_protocol/precision.h"
#include "influx/postgres/error.h"

namespace influx::worker {

/// What a worker is to do. Plain data.
struct LaunchArguments {
  Oid database = InvalidOid;
  Oid role = InvalidOid;
  Oid namespace_oid = InvalidOid;
  std::uint16_t port = 0;
  line_protocol::Precision precision = line_protocol::Precision::kNanosecond;
};

/// Starts a background worker and waits until it listens. Returns its pid. Raises what keeps it
/// from listening, with the worker's own words; then no worker is left.
int launch(const LaunchArguments& arguments);

/// The worker's side of launch(): where it finds its arguments and reports how starting up went.
class StartUp {
 public:
  /// Attaches to what launch() left under `handle`. False where the launcher has gone.
  bool attach(dsm_handle handle);
  const LaunchArguments& arguments() const noexcept { return arguments_; }

  /// Runs `steps`, and tells launch() that the worker listens, or what error came in between, which
  /// is then raised. The rules of postgres::guard() hold.
  template <typename Steps>
  void run(Steps&& steps) {
    postgres::PendingError error;
    try {
      postgres::guard(steps);
      succeed();
      return;
    } catch (...) {
      error.capture();
    }
    fail(error);
    error.raise();
  }

 private:
  void succeed();
  void fail(const postgres::PendingError& error);

  LaunchArguments arguments_;
};

}  // namespace influx::worker
