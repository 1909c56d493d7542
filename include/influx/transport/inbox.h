#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>

#include "influx/transport/endpoint.h"
#include "influx/transport/source_filter.h"
#include "influx/transport/udp_socket.h"

namespace influx::transport {

/// A received datagram. The payload points into the inbox and stays valid until release().
struct Datagram {
  std::string_view payload;
  std::int64_t received_ns = 0;  ///< when it was taken from the kernel, nanoseconds since the epoch
  Endpoint sender;
  std::uint16_t socket = 0;  ///< index of the receiving socket among those given to receive()
};

/// What has come in so far. The counts are monotonic.
struct ReceiveCounts {
  std::uint64_t datagrams = 0;     ///< put into the inbox
  std::uint64_t bytes = 0;         ///< payload bytes put into the inbox
  std::uint64_t truncated = 0;     ///< larger than a buffer: counted, not kept
  std::uint64_t kernel_drops = 0;  ///< dropped by the kernel for want of socket buffer
  std::uint64_t filtered = 0;      ///< of senders that the filter does not take: counted, not kept
  /// When the last one was put into the inbox, nanoseconds since the epoch; 0 where none was.
  std::int64_t last_received_ns = 0;
};

/// A bounded ring of datagrams between the sockets and the consumer, in order of arrival.
///
/// Producers (the owner and its Catcher) call receive() and note_drops(), which they may do from
/// different threads; a mutex inside keeps them apart. One consumer calls next(), rewind() and
/// release(), from one thread; it never waits for a producer's system call. The questions (full(),
/// unread_*(), counts()) may be asked from any thread. The memory is allocated once, by the
/// constructor, touched only as far as it was used, and its use starts over at its beginning
/// whenever the ring is found empty.
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
  /// taken, or the ring is full; the sockets are served in turn. A socket that reports an error is
  /// left for the next call. Takes note of what the kernel has dropped at them by then. Returns the
  /// number taken from the kernel, truncated and filtered ones included. No allocation, no
  /// exception.
  std::size_t receive(std::span<const UdpSocket> sockets, std::size_t most) noexcept;

  /// Takes note of what the kernel has dropped at the sockets, without receiving: where receive()
  /// is not called any more, or not soon. The count of a socket ends with it.
  void note_drops(std::span<const UdpSocket> sockets) noexcept;

  /// Keeps only the datagrams of senders that `filter` takes, of all that receive() takes from the
  /// kernel after this has returned. It may be called while a catcher receives, and waits then
  /// until its receive() is over. At first everybody's are kept.
  void set_filter(SourceFilter filter) noexcept;

  /// Whether there is no room for one more datagram of the largest size.
  bool full() const noexcept;

  // The consumer.

  /// Reads the next datagram that was not read yet. False where there is none.
  bool next(Datagram& datagram) noexcept;
  /// Puts the reading position back to the first datagram that was not released.
  void rewind() noexcept;
  /// Frees the memory of all datagrams read so far.
  void release() noexcept;

  /// Bytes (payload), lines of text and datagrams that were received and not read yet.
  std::size_t unread_bytes() const noexcept;
  std::size_t unread_lines() const noexcept;
  std::size_t unread_datagrams() const noexcept;
  /// When the oldest datagram that was not read yet was received; 0 where there is none.
  std::int64_t oldest_unread_ns() const noexcept;

  ReceiveCounts counts() const noexcept;

 private:
  /// A place in the stream of datagrams, and how much came before it. Positions count bytes of ring
  /// and go on rising from lap to lap, so that order and distance are plain arithmetic; a record is
  /// found at its position modulo the size of the ring.
  struct Mark {
    std::uint64_t position = 0;
    std::uint64_t datagrams = 0;
    std::uint64_t bytes = 0;
    std::uint64_t lines = 0;
  };
  /// What precedes each payload in the ring.
  struct Header;
  /// The arguments and buffers of recvmmsg.
  struct Scratch;

  /// Receives once, at most `most` datagrams, from `socket`, the one of that `index`, and stores
  /// them. Returns the number taken; `drained` says whether the socket has no more for now.
  std::size_t receive_once(const UdpSocket& socket, std::size_t index, std::size_t most,
                           bool& drained) noexcept;
  /// Adds what the kernel has dropped at the sockets since it was added last.
  /// REQUIRES: receive_mutex_ is held.
  void add_drops(std::span<const UdpSocket> sockets) noexcept;
  /// Writes a record at `mark`, behind a skip to the next lap if need be, and moves `mark` past it.
  /// REQUIRES: there is room.
  void store(Mark& mark, const Header& header, const std::byte* payload) noexcept;
  /// How many datagrams fit for certain, whatever their sizes. REQUIRES: index_mutex_ is held.
  std::size_t certain_room() const noexcept;
  /// The position of the first record at or behind `position`: past the skip, if there is one.
  /// REQUIRES: index_mutex_ is held, and a record follows `position`.
  std::uint64_t record_at(std::uint64_t position) const noexcept;
  /// The header of the record at `position`.
  Header header_at(std::uint64_t position) const noexcept;

  const std::size_t capacity_;
  const std::unique_ptr<std::byte[]> ring_;

  /// Held by a producer during receive(): it keeps the stream in order and guards what follows.
  std::mutex receive_mutex_;
  const std::unique_ptr<Scratch> scratch_;
  SourceFilter filter_;
  std::size_t turn_ = 0;  ///< counts the sockets served, to go on where the last call ended

  /// Held for moments only, never during a system call. Guards what follows. The bytes of the ring
  /// need no lock: between release_ and write_ nobody changes them, elsewhere only the one
  /// producer.
  mutable std::mutex index_mutex_;
  Mark release_;  ///< up to here the memory is free
  Mark read_;     ///< the next datagram to read; release_ <= read_ <= write_
  Mark write_;    ///< the end of the stream
  std::uint64_t truncated_ = 0;
  std::uint64_t kernel_drops_ = 0;
  std::uint64_t filtered_ = 0;
  std::int64_t last_received_ns_ = 0;
};

}  // namespace influx::transport
