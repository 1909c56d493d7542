#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "influx/transport/inbox.h"
#include "influx/transport/udp_socket.h"

namespace influx::transport {

/// A thread that keeps moving datagrams from the sockets to an inbox while its owner is busy
/// writing, so that a slow commit does not overflow the kernel's buffer.
///
/// The thread receives and sleeps, nothing else: it allocates nothing, handles no signal (all are
/// blocked), and knows nothing of the server. It is created by the first resume(); an owner that
/// never calls it has none. While paused it sleeps without waking up. While the inbox is full it
/// leaves the datagrams to the kernel, and looks again every few milliseconds.
///
/// The functions are for one thread, the owner's, and not for a signal handler.
class Catcher {
 public:
  /// The most sockets it can serve.
  static constexpr std::size_t kMostSockets = 64;

  /// `inbox` must outlive the catcher.
  explicit Catcher(Inbox& inbox) noexcept;
  /// Stops and joins the thread.
  ~Catcher();
  Catcher(const Catcher&) = delete;
  Catcher& operator=(const Catcher&) = delete;

  /// Lets the thread receive from `sockets`, which must stay open and in place until pause() or
  /// stop() has returned. Creates the thread where there is none. False where the system refuses
  /// to, or there are more than kMostSockets: nothing is received then, and the owner goes on
  /// without.
  bool resume(std::span<const UdpSocket> sockets) noexcept;

  /// Ends receiving; when it returns the thread does not touch the sockets any more.
  void pause() noexcept;

  /// Stops and joins the thread; resume() would make a new one. Safe to call twice, and in an exit
  /// callback.
  void stop() noexcept;

 private:
  enum class Order : std::uint8_t { kRest, kReceive, kStop };
  static constexpr std::int64_t kForEver = -1;

  bool start() noexcept;
  /// Gives the thread an order, and wakes it up to see it.
  void tell(Order order) noexcept;

  // The thread's side.
  static void* run(void* catcher) noexcept;
  /// Receives for as long as the order is to receive.
  void receive_while_told() noexcept;
  /// Sleeps until the owner gives an order, or for so long, which is less than a second or
  /// kForEver.
  void rest(std::int64_t nanoseconds) const noexcept;
  /// Takes note of having been woken up.
  void clear_wake() const noexcept;

  Inbox& inbox_;
  std::atomic<Order> order_{Order::kRest};
  /// Held by the thread for as long as it uses the sockets, asleep or not. Having told the thread
  /// to rest, the owner need only take it once to know that the thread has let go.
  std::mutex sockets_mutex_;
  /// Changed by the owner, while the order is not to receive.
  std::span<const UdpSocket> sockets_;
  int wake_ = -1;  ///< an eventfd; -1 where there is no thread
  pthread_t thread_{};
};

}  // namespace influx::transport
