#pragma once

#include "influx/transport/handover.h"
#include "influx/worker/launch_arguments.h"
#include "influx/worker/registration.h"

namespace influx::worker {

// The last resort where the process of a listener has more memory than it may, and nothing left to
// give back: code of users that runs in it, or a library, keeps it. Another process takes its
// place.
//
// The process that is there has a second one started, with a worker slot of its own, and goes on
// meanwhile. When the second one is ready, and no line waits, the first one takes no datagram any
// more, and sends it the sockets. The second one takes the entry of the table of listeners over,
// under the lock of the table, and listens; the first one sees that, and ends. Before that step
// either side may go away, or think better of it: the first one then goes on, or ends as it would
// have, and the second one is gone. What comes in meanwhile is in the buffers of the sockets, which
// are the same all the time.

/// The side of the process that gives way. There is one object in a process.
class Succession {
 public:
  /// Both outlive it.
  Succession(const LaunchArguments& arguments, Registration& registration) noexcept;

  /// This process has followed another one itself.
  void note_followed() noexcept;

  bool is_under_way() const noexcept { return awaited_.succession != 0; }
  /// Whether it may be begun: it is not under way, and the last attempt, or the process before, is
  /// some time ago.
  bool may_begin() const noexcept;
  /// Has a process started that is to follow this one, for `excess` bytes of memory. Where that
  /// cannot be, it is logged.
  void begin(std::size_t excess);

  /// Whether the successor waits for the sockets. Gives up where it has ended, or takes too long.
  bool is_ready();
  /// Offers the sockets, from which this process takes nothing any more. False where the successor
  /// does not take over at once; then the process is to go on. The latch of the process may have
  /// been reset. REQUIRES: is_ready(), and all is published.
  bool hand_over(std::span<const transport::UdpSocket> sockets);

  /// This process ends, and with it a successor that has not taken over.
  void end() noexcept;
  /// Tells a successor that has taken over to end, where this process was told to since: who has
  /// read its number before may not have known of the other one. The last thing that it does.
  void pass_on() const noexcept;

 private:
  void let_go() noexcept;
  void give_up(const char* reason);

  const LaunchArguments& arguments_;
  Registration& registration_;
  std::optional<transport::Giver> giver_;
  BackgroundWorkerHandle* handle_ = nullptr;
  Successor awaited_;
  std::int64_t deadline_ns_ = 0;  ///< on the monotonic clock
  std::int64_t may_begin_ns_ = 0;
  int failures_ = 0;
  bool is_over_ = false;  ///< the successor has taken over
};

/// The side of the process that follows: waits for the sockets of the one before. Empty where they
/// are not given. Throws.
std::vector<transport::UdpSocket> await_sockets(const LaunchArguments& arguments,
                                                const Registration& registration);

/// Wakes the process before up, which waits for this one. Does nothing where it is gone.
void wake_predecessor(int pid) noexcept;

}  // namespace influx::worker
