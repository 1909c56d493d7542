#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// What a listener that starts for the first time tells the session that launched it: that it
/// listens, or what error it met. It is a segment of dynamic shared memory, which is gone when the
/// launcher has its answer. Plain data: nothing to destroy.
class StartChannel {
 public:
  // The launcher's side.

  /// Makes the segment for the listener of that token. Raises where there is no memory. It goes
  /// away with the resource owner, where it is not closed before.
  static StartChannel open(std::uint64_t token);
  dsm_handle handle() const { return dsm_segment_handle(segment_); }
  /// The pid of the worker, once it has told that it listens; 0 before.
  int listening_pid() const noexcept;
  /// Raises the error that the worker has told. REQUIRES: the worker has ended.
  [[noreturn]] void raise_failure() const;
  void close();

  // The worker's side. After one of the two answers, and where there is no channel, answers are
  // not told to anybody.

  /// Opens what open() made. False where it is not there, or is another listener's.
  bool attach(dsm_handle handle, std::uint64_t token);
  /// Whether somebody waits for an answer.
  bool waiting() const noexcept { return shared_ != nullptr; }
  void tell_success();
  /// Nothing is told from now on: the server is about to unmap the segment.
  void forget() noexcept { shared_ = nullptr; }
  void tell_failure(int sqlstate, const char* message, const char* detail,
                    const char* hint) noexcept;

 private:
  struct Shared;

  dsm_segment* segment_ = nullptr;
  Shared* shared_ = nullptr;
};

}  // namespace influx::worker
