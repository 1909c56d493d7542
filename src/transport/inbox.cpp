#include "influx/transport/inbox.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "influx/transport/clock.h"

namespace influx::transport {

namespace {

/// Records begin at multiples of this, and so does the skip at the end of a lap.
constexpr std::size_t kAlignment = 8;

/// Where a record would be, says that the rest of the lap is unused.
constexpr std::uint32_t kSkip = std::numeric_limits<std::uint32_t>::max();

constexpr std::size_t aligned(std::size_t size) noexcept {
  return (size + kAlignment - 1) / kAlignment * kAlignment;
}

/// The lines of a text, the last of which need not have an end.
std::uint32_t count_lines(const std::byte* text, std::size_t size) noexcept {
  std::uint32_t lines = 0;
  const std::byte* const end = text + size;
  while (text != end) {
    ++lines;
    const void* feed = std::memchr(text, '\n', static_cast<std::size_t>(end - text));
    if (feed == nullptr) break;
    text = static_cast<const std::byte*>(feed) + 1;
  }
  return lines;
}

}  // namespace

/// Kept as small as the senders allow: most datagrams are small, and there are many of them.
struct Inbox::Header {
  std::uint32_t size;  ///< of the payload, or kSkip; first, for a skip has room for nothing else
  std::uint16_t socket;
  std::uint16_t sender_length;
  std::int64_t received_ns;
  sockaddr_in6 sender;  ///< the larger one of the two kinds
  std::uint32_t lines;  ///< of text in the payload
};

namespace {

constexpr std::size_t kHeaderSize = 48;
constexpr std::size_t kLargestRecord = aligned(kHeaderSize + Inbox::kLargestDatagram);

std::size_t ring_size(std::size_t capacity) {
  if (capacity > std::numeric_limits<std::size_t>::max() / 2) throw std::bad_alloc();
  return aligned(std::max(capacity, 4 * kLargestRecord));
}

}  // namespace

/// Nothing here is written before it is used: the buffers are large, and rarely needed in full.
struct Inbox::Scratch {
  static constexpr std::size_t kApart = std::size_t{17} * 64;

  mmsghdr messages[kDatagramsPerCall];
  iovec vectors[kDatagramsPerCall];
  sockaddr_in6 senders[kDatagramsPerCall];
  /// A little apart, or the beginnings of all of them would share a few sets of the processor's
  /// cache.
  std::byte buffers[kDatagramsPerCall][kLargestDatagram + kApart];

  /// Makes the first `count` messages ready for a call, which changes them.
  void prepare(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      vectors[i] = {buffers[i], kLargestDatagram};
      messages[i] = {};
      msghdr& header = messages[i].msg_hdr;
      header.msg_name = &senders[i];
      header.msg_namelen = sizeof(senders[i]);
      header.msg_iov = &vectors[i];
      header.msg_iovlen = 1;
    }
  }
};

Inbox::Inbox(std::size_t capacity)
    : capacity_(ring_size(capacity)),
      ring_(std::make_unique_for_overwrite<std::byte[]>(capacity_)),
      scratch_(std::make_unique_for_overwrite<Scratch>()) {
  static_assert(sizeof(Header) == kHeaderSize && alignof(Header) <= kAlignment);
}

Inbox::~Inbox() = default;

std::size_t Inbox::receive(std::span<const UdpSocket> sockets, std::size_t most) noexcept {
  const std::lock_guard receive_lock(receive_mutex_);
  std::size_t taken = 0;
  // Over when each socket in turn had no more to give.
  for (std::size_t drained_in_a_row = 0; drained_in_a_row < sockets.size() && taken < most;) {
    std::size_t room = 0;
    {
      const std::lock_guard index_lock(index_mutex_);
      // Nothing is in the ring: start over, and touch no more memory than a small load needs.
      if (release_.position == write_.position) {
        release_.position = read_.position = write_.position = 0;
      }
      room = certain_room();
    }
    if (room == 0) break;

    const std::size_t index = turn_++ % sockets.size();
    bool drained = false;
    taken += receive_once(sockets[index], index, std::min(room, most - taken), drained);
    drained_in_a_row = drained ? drained_in_a_row + 1 : 0;
  }
  // Afterwards: a datagram that found a buffer full was counted before the buffer was emptied.
  add_drops(sockets);
  return taken;
}

void Inbox::set_filter(SourceFilter filter) noexcept {
  const std::lock_guard receive_lock(receive_mutex_);
  filter_ = std::move(filter);
}

void Inbox::note_drops(std::span<const UdpSocket> sockets) noexcept {
  const std::lock_guard receive_lock(receive_mutex_);
  add_drops(sockets);
}

void Inbox::add_drops(std::span<const UdpSocket> sockets) noexcept {
  std::uint64_t drops = 0;
  for (const UdpSocket& socket : sockets)
    drops += socket.drops_since_last();
  const std::lock_guard index_lock(index_mutex_);
  kernel_drops_ += drops;
}

std::size_t Inbox::receive_once(const UdpSocket& socket, std::size_t index, std::size_t most,
                                bool& drained) noexcept {
  const std::size_t wanted = std::min(most, kDatagramsPerCall);
  scratch_->prepare(wanted);
  const int answer = recvmmsg(socket.descriptor(), scratch_->messages,
                              static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
  const std::size_t count = answer > 0 ? static_cast<std::size_t>(answer) : 0;
  // An error is no reason to try again at once, whatever it is: one that passes has passed by the
  // next call, and one that stays would keep us here.
  drained = count < wanted;
  if (count == 0) return 0;

  Mark end = write_;  // changed under receive_mutex_ only, which is held
  std::uint64_t truncated = 0;
  std::uint64_t filtered = 0;
  Header header{};
  header.received_ns = wall_clock_ns();
  header.socket = static_cast<std::uint16_t>(index);
  for (std::size_t i = 0; i < count; ++i) {
    const msghdr& message = scratch_->messages[i].msg_hdr;
    // What comes without an address is of the family 0.
    if (message.msg_namelen == 0) scratch_->senders[i].sin6_family = AF_UNSPEC;
    if (!filter_.takes(scratch_->senders[i])) {
      ++filtered;
      continue;
    }
    if ((message.msg_flags & MSG_TRUNC) != 0) {
      ++truncated;
      continue;
    }
    header.size = scratch_->messages[i].msg_len;
    header.sender = scratch_->senders[i];
    header.sender_length = static_cast<std::uint16_t>(
        std::min<std::size_t>(message.msg_namelen, sizeof(sockaddr_in6)));
    // Here, where the bytes are at hand, and not where they would have to be fetched for it.
    header.lines = count_lines(scratch_->buffers[i], header.size);
    store(end, header, scratch_->buffers[i]);
  }

  const std::lock_guard index_lock(index_mutex_);
  if (end.datagrams != write_.datagrams) last_received_ns_ = header.received_ns;
  write_ = end;
  truncated_ += truncated;
  filtered_ += filtered;
  return count;
}

void Inbox::store(Mark& mark, const Header& header, const std::byte* payload) noexcept {
  const std::size_t size = aligned(kHeaderSize + header.size);
  std::size_t offset = mark.position % capacity_;
  if (size > capacity_ - offset) {
    std::memcpy(ring_.get() + offset, &kSkip, sizeof(kSkip));
    mark.position += capacity_ - offset;
    offset = 0;
  }
  std::byte* const record = ring_.get() + offset;
  std::memcpy(record, &header, kHeaderSize);
  std::memcpy(record + kHeaderSize, payload, header.size);
  mark.position += size;
  mark.datagrams += 1;
  mark.bytes += header.size;
  mark.lines += header.lines;
}

std::size_t Inbox::certain_room() const noexcept {
  const std::uint64_t used = write_.position - release_.position;
  const std::size_t free = capacity_ - static_cast<std::size_t>(used);
  // The free memory is in two parts, where it goes round the end of the ring. Nothing is known of
  // the datagrams to come, so all are taken to be of the largest size. They fit if either part
  // alone could hold them all; or else both together could, after the loss of less than one record
  // at the end of the lap, where one did not fit.
  const std::size_t ahead = std::min(free, capacity_ - write_.position % capacity_);
  const std::size_t behind = free - ahead;
  const std::size_t split = free / kLargestRecord;
  return std::max({ahead / kLargestRecord, behind / kLargestRecord, split > 0 ? split - 1 : 0});
}

bool Inbox::full() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  return release_.position != write_.position && certain_room() == 0;
}

std::uint64_t Inbox::record_at(std::uint64_t position) const noexcept {
  const std::size_t offset = position % capacity_;
  std::uint32_t size = 0;
  std::memcpy(&size, ring_.get() + offset, sizeof(size));
  return size == kSkip ? position + (capacity_ - offset) : position;
}

Inbox::Header Inbox::header_at(std::uint64_t position) const noexcept {
  Header header{};
  std::memcpy(&header, ring_.get() + position % capacity_, kHeaderSize);
  return header;
}

bool Inbox::next(Datagram& datagram) noexcept {
  const std::lock_guard index_lock(index_mutex_);
  if (read_.position == write_.position) return false;

  const std::uint64_t position = record_at(read_.position);
  const Header header = header_at(position);
  const std::byte* payload = ring_.get() + position % capacity_ + kHeaderSize;
  datagram.payload = {reinterpret_cast<const char*>(payload), header.size};
  datagram.received_ns = header.received_ns;
  datagram.socket = header.socket;
  datagram.sender = {};
  datagram.sender.length = header.sender_length;
  std::memcpy(&datagram.sender.address, &header.sender, header.sender_length);

  read_.position = position + aligned(kHeaderSize + header.size);
  read_.datagrams += 1;
  read_.bytes += header.size;
  read_.lines += header.lines;
  return true;
}

void Inbox::rewind() noexcept {
  const std::lock_guard index_lock(index_mutex_);
  read_ = release_;
}

void Inbox::release() noexcept {
  const std::lock_guard index_lock(index_mutex_);
  release_ = read_;
}

std::size_t Inbox::unread_bytes() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  return write_.bytes - read_.bytes;
}

std::size_t Inbox::unread_lines() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  return write_.lines - read_.lines;
}

std::size_t Inbox::unread_datagrams() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  return write_.datagrams - read_.datagrams;
}

std::int64_t Inbox::oldest_unread_ns() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  if (read_.position == write_.position) return 0;
  return header_at(record_at(read_.position)).received_ns;
}

ReceiveCounts Inbox::counts() const noexcept {
  const std::lock_guard index_lock(index_mutex_);
  return {write_.datagrams, write_.bytes, truncated_, kernel_drops_, filtered_, last_received_ns_};
}

}  // namespace influx::transport
