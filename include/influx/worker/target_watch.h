#pragma once

#include "influx/worker/launch_arguments.h"

namespace influx::worker {

/// Looks whether what a listener works for is still there: its schema, its role, its database, and
/// the extension. Sessions live on without them, and would keep the port. There is one object in a
/// process.
class TargetWatch {
 public:
  explicit TargetWatch(const LaunchArguments& arguments) noexcept : arguments_(arguments) {}

  /// From now on the process notes when something may have gone. Called once, with a connection.
  /// May raise.
  void start();

  /// Whether something may have gone since the last look. An idle process has to call
  /// accept_changes() to learn of it.
  bool is_due() const noexcept;

  /// Looks. Returns what is gone, as a part of a sentence; nullptr where all is there. REQUIRES: a
  /// transaction. Raises; then it stays due.
  const char* look();

  /// Takes note of what other processes have changed, as a transaction does at its start. REQUIRES:
  /// no transaction. May raise.
  static void accept_changes();

 private:
  const LaunchArguments& arguments_;
  Oid extension_ = InvalidOid;  ///< as it was found first
  bool looking_ = false;        ///< a look has begun, and not come to its end
};

}  // namespace influx::worker
