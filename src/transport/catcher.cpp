#include "influx/transport/catcher.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <ctime>

namespace influx::transport {

namespace {

/// Enough for the few small frames of the thread and what the C library keeps at the end of a
/// stack.
constexpr std::size_t kStackBytes = std::size_t{256} * 1024;

/// How long the thread leaves sockets alone from which it could take nothing although they had
/// something. Short beside the time in which a sender fills the buffer of the kernel.
constexpr std::int64_t kRetryNs = 3000000;

/// Where there were fewer datagrams than this, they are left to gather for a while: to be woken up
/// for each costs more than to take it. Even the smallest buffer that a kernel gives holds what
/// comes in in that time.
constexpr std::size_t kFewDatagrams = 16;
constexpr std::int64_t kGatherNs = 250000;

/// How many datagrams are taken between two looks at the order.
constexpr std::size_t kMostPerTurn = 4 * Inbox::kDatagramsPerCall;

}  // namespace

Catcher::Catcher(Inbox& inbox) noexcept : inbox_(inbox) {}

Catcher::~Catcher() {
  stop();
}

bool Catcher::resume(std::span<const UdpSocket> sockets) noexcept {
  if (order_.load() == Order::kReceive) {
    if (sockets.data() == sockets_.data() && sockets.size() == sockets_.size()) return true;
    pause();
  }
  if (sockets.size() > kMostSockets) return false;
  if (wake_ < 0 && !start()) return false;
  sockets_ = sockets;
  tell(Order::kReceive);
  return true;
}

void Catcher::pause() noexcept {
  if (order_.load() != Order::kReceive) return;
  tell(Order::kRest);
  const std::lock_guard let_go(sockets_mutex_);
}

void Catcher::stop() noexcept {
  if (wake_ < 0) return;
  tell(Order::kStop);
  pthread_join(thread_, nullptr);
  close(wake_);
  wake_ = -1;
  order_.store(Order::kRest);
}

bool Catcher::start() noexcept {
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_ < 0) return false;

  // A thread inherits the mask of its creator. With all signals blocked from its first instruction
  // on, each signal for the process finds the owner's thread, whose handlers know of no other.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);

  bool started = false;
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) == 0) {
    started = pthread_attr_setstacksize(&attributes, kStackBytes) == 0 &&
              pthread_create(&thread_, &attributes, &Catcher::run, this) == 0;
    pthread_attr_destroy(&attributes);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (!started) {
    close(wake_);
    wake_ = -1;
  }
  return started;
}

void Catcher::tell(Order order) noexcept {
  order_.store(order);
  // Fails only where the counter is full already, and then the thread wakes up just as well.
  eventfd_write(wake_, 1);
}

void* Catcher::run(void* catcher) noexcept {
  auto& self = *static_cast<Catcher*>(catcher);
  pthread_setname_np(pthread_self(), "influx-catcher");
  for (;;) {
    switch (self.order_.load()) {
      case Order::kReceive:
        self.receive_while_told();
        break;
      case Order::kRest:
        self.rest(kForEver);
        break;
      case Order::kStop:
        return nullptr;
    }
  }
}

void Catcher::receive_while_told() noexcept {
  const std::lock_guard in_use(sockets_mutex_);
  if (order_.load() != Order::kReceive) return;

  std::array<pollfd, kMostSockets + 1> polled{};
  nfds_t count = 0;
  for (const UdpSocket& socket : sockets_)
    polled[count++] = {socket.descriptor(), POLLIN, 0};
  polled[count++] = {wake_, POLLIN, 0};
  const pollfd& wake = polled[count - 1];

  while (order_.load() == Order::kReceive) {
    const bool polled_well = poll(polled.data(), count, -1) > 0;
    if (polled_well && wake.revents != 0) {
      clear_wake();
      continue;
    }
    const std::size_t taken = polled_well ? inbox_.receive(sockets_, kMostPerTurn) : 0;
    if (taken == 0) {
      // The inbox is full, the owner was faster, or a socket is in error: poll() would return at
      // once again.
      rest(kRetryNs);
    } else if (taken < kFewDatagrams) {
      rest(kGatherNs);
    }
  }
}

void Catcher::rest(std::int64_t nanoseconds) const noexcept {
  pollfd wake{wake_, POLLIN, 0};
  const timespec timeout{0, nanoseconds};
  if (ppoll(&wake, 1, nanoseconds == kForEver ? nullptr : &timeout, nullptr) > 0) clear_wake();
}

void Catcher::clear_wake() const noexcept {
  eventfd_t count = 0;
  eventfd_read(wake_, &count);
}

}  // namespace influx::transport
