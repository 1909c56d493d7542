#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "influx/transport/endpoint.h"
#include "influx/transport/udp_socket.h"

namespace influx::transport {

/// A received datagram. The payload points into the inbox and stays valid until release().
struct Datagram {
  std::string_view payload;
  std::int64_t received_ns = 0;  ///< when it was taken from the kernel, nanoseconds since the epoch
  Endpoint sender;
  std::uint16_t socket = 0;  ///< index of the receiving socket among those given to receive()
};

/// What has come in so far. Monotonic.
struct ReceiveCounts {
  std::uint64_t datagrams = 0;   ///< put into the inbox
  std::uint64_t bytes = 0;       ///< payload bytes put into the inbox
  std::uint64_t truncated = 0;   ///< larger than a buffer: counted, not kept
  std::uint64_t kernel_drops = 0;  ///< dropped by the kernel for want of socket buffer
};

/// A bounded ring of datagrams between the sockets and the consumer, in order of arrival.
///
/// Producers (the owner and its Catcher) call receive(), which they may do from different threads;
/// a mutex inside keeps them apart. One consumer calls next(), rewind() and release(), from one
/// thread. The memory is allocated once, by the constructor, touched only as far as it was used, and
/// its use starts over at its beginning whenever the ring is found empty.
class Inbox {
 public:
  /// The most datagrams taken by one system call.
  static constexpr std::size_t kDatagramsPerCall = 64;
  /// The largest payload that is kept; no UDP datagram is larger.
  static constexpr std::size_t kLargestDatagram = 65536;

  /// Allocates a ring for `capacity` bytes of datagrams with their headers; at least four datagrams
  /// of the largest size are granted. May throw std::bad_alloc.
  explicit Inbox(std::size_t capacity);
  ~Inbox();
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // Producers.

  /// Takes what the sockets hold, without blocking, until they are empty, `most` datagrams were
  /// taken, or the ring is full; the sockets are served in turn. Returns the number taken. No
  /// allocation, no exception.
  std::size_t receive(std::span<const UdpSocket> sockets, std::size_t most) noexcept;

  /// Whether there is no room for one more datagram of the largest size.
  bool full() const noexcept;

  // The consumer.

  /// Reads the next datagram that was not read yet. False where there is none.
  bool next(Datagram& datagram) noexcept;
  /// Puts the reading position back to the first datagram that was not released.
  void rewind() noexcept;
  /// Frees the memory of all datagrams read so far.
  void release() noexcept;

  /// Bytes (payload) and datagrams that were received and not read yet.
  std::size_t unread_bytes() const noexcept;
  std::size_t unread_datagrams() const noexcept;
  /// When the oldest datagram that was not read yet was received; 0 where there is none.
  std::int64_t oldest_unread_ns() const noexcept;

  ReceiveCounts counts() const noexcept;
};

}  // namespace influx::transport
