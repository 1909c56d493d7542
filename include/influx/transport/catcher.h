#pragma once

#include <span>

#include "influx/transport/inbox.h"

namespace influx::transport {

/// A thread that keeps moving datagrams from the sockets to an inbox while its owner is busy
/// writing, so that a slow commit does not overflow the kernel's buffer.
///
/// The thread receives and sleeps, nothing else: it allocates nothing, handles no signal (all are
/// blocked), and knows nothing of the server. It is created by the first resume(); an owner that
/// never calls it has none. While paused it sleeps without waking up. While the inbox is full it
/// leaves the datagrams to the kernel, and looks again every few milliseconds.
class Catcher {
 public:
  /// `inbox` must outlive the catcher.
  explicit Catcher(Inbox& inbox) noexcept;
  /// Stops and joins the thread.
  ~Catcher();
  Catcher(const Catcher&) = delete;
  Catcher& operator=(const Catcher&) = delete;

  /// Lets the thread receive from `sockets`, which must stay open and in place until pause() or
  /// stop() has returned. Creates the thread where there is none. False where the system refuses
  /// to: the owner then goes on without.
  bool resume(std::span<const UdpSocket> sockets) noexcept;

  /// Ends receiving; when it returns the thread does not touch the sockets any more.
  void pause() noexcept;

  /// Stops and joins the thread; resume() would make a new one. Safe to call twice, and in an exit
  /// callback.
  void stop() noexcept;
};

}  // namespace influx::transport
