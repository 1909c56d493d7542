#include "influx/ingest/held_lines.h"

namespace influx::ingest {

namespace {

/// Blocks of text begin small and double: most queues are of few lines.
constexpr std::size_t kFirstBlockBytes = 256;
constexpr std::size_t kLastBlockBytes = std::size_t{64} * 1024;

/// What the allocator takes for each piece, and a tree for each entry.
constexpr std::size_t kPieceBytes = 16;
constexpr std::size_t kNodeBytes = 32 + kPieceBytes;
/// A queue in the map, and its place in the order of attempts.
constexpr std::size_t kQueueBytes = sizeof(std::pair<const std::string, HeldLines::Queue>) +
                                    sizeof(std::pair<std::int64_t, const std::string*>) +
                                    2 * kNodeBytes;

bool same_origin(const Origin& left, const Origin& right) noexcept {
  return left.received_ns == right.received_ns && left.sender == right.sender;
}

/// Makes room for so many more, by doubling.
template <typename Element>
void make_room(std::vector<Element>& list, std::size_t more) {
  const std::size_t wanted = list.size() + more;
  if (wanted > list.capacity()) list.reserve(std::max(wanted, 2 * list.capacity()));
}

template <typename Element>
std::size_t bytes_of(const std::vector<Element>& list) noexcept {
  return list.capacity() == 0 ? 0 : list.capacity() * sizeof(Element) + kPieceBytes;
}

}  // namespace

std::size_t HeldLines::Queue::count_bytes() const noexcept {
  return kQueueBytes + name_bytes_ + block_bytes_ + bytes_of(blocks_) + bytes_of(lines_) +
         bytes_of(origins_) + (reason != nullptr ? sizeof(*reason) + kPieceBytes : 0) +
         (need != nullptr ? need->bytes() + kPieceBytes : 0);
}

void HeldLines::Queue::add_block(std::size_t bytes) {
  const std::size_t doubled =
      blocks_.empty() ? kFirstBlockBytes : std::min(kLastBlockBytes, 2 * blocks_.back().capacity);
  const std::size_t capacity = std::max(doubled, bytes);
  make_room(blocks_, 1);
  blocks_.push_back({std::make_unique_for_overwrite<char[]>(capacity), capacity, 0});
  block_bytes_ += capacity + kPieceBytes;
}

void HeldLines::Queue::reserve(std::size_t lines, std::size_t bytes, std::size_t origins) {
  make_room(lines_, lines);
  make_room(origins_, origins);
  if (blocks_.empty() || blocks_.back().capacity - blocks_.back().used < bytes) add_block(bytes);
}

HeldLines::Queue* HeldLines::find(std::string_view measurement) noexcept {
  if (queues_.empty()) return nullptr;
  const auto found = queues_.find(measurement);
  return found == queues_.end() ? nullptr : &found->second;
}

HeldLines::Queue& HeldLines::hold(std::string_view measurement, int attempts,
                                  std::int64_t next_attempt_ns) {
  auto found = queues_.find(measurement);
  const bool is_new = found == queues_.end();
  if (is_new) found = queues_.emplace(std::string(measurement), Queue()).first;
  Queue& queue = found->second;
  try {
    if (next_attempt_ns != kNever && next_attempt_ns != queue.next_attempt_ns_) {
      by_time_.emplace(next_attempt_ns, &found->first);
    }
  } catch (const std::bad_alloc&) {
    if (is_new) queues_.erase(found);
    throw;
  }
  if (queue.next_attempt_ns_ != next_attempt_ns) {
    by_time_.erase({queue.next_attempt_ns_, &found->first});
  }
  queue.next_attempt_ns_ = next_attempt_ns;
  queue.attempts_ = attempts;
  if (is_new) {
    queue.name_bytes_ = measurement.size() + kPieceBytes;
    recount(queue);
  }
  return queue;
}

void HeldLines::reserve(std::string_view measurement, std::size_t lines, std::size_t bytes,
                        std::size_t origins) {
  Queue& queue = queues_.find(measurement)->second;
  try {
    queue.reserve(lines, bytes, origins);
  } catch (const std::bad_alloc&) {
    recount(queue);  // what was taken on the way is kept
    throw;
  }
  recount(queue);
}

void HeldLines::add(std::string_view measurement, const Line& line, const Origin& origin) {
  Queue& queue = queues_.find(measurement)->second;
  const bool is_new_origin = queue.origins_.empty() || !same_origin(queue.origins_.back(), origin);
  reserve(measurement, 1, line.text.size(), is_new_origin ? 1 : 0);
  if (is_new_origin) queue.origins_.push_back(origin);
  Queue::Block& block = queue.blocks_.back();
  char* text = block.text.get() + block.used;
  line.text.copy(text, line.text.size());
  block.used += line.text.size();
  queue.lines_.push_back({{text, line.text.size()},
                          line.number,
                          static_cast<std::uint32_t>(queue.origins_.size() - 1)});
  ++lines_;
}

void HeldLines::recount(Queue& queue) noexcept {
  const std::size_t bytes = queue.count_bytes();
  bytes_ += bytes - queue.counted_bytes_;
  queue.counted_bytes_ = bytes;
}

std::optional<std::int64_t> HeldLines::next_attempt_ns() const noexcept {
  if (by_time_.empty()) return std::nullopt;
  return by_time_.begin()->first;
}

std::vector<std::string> HeldLines::due(std::int64_t now_ns) const {
  std::vector<std::string> measurements;
  for (const auto& [at_ns, measurement] : by_time_) {
    if (at_ns > now_ns) break;
    measurements.push_back(*measurement);
  }
  return measurements;
}

std::vector<std::string> HeldLines::measurements() const {
  std::vector<std::string> measurements;
  for (const auto& entry : queues_)
    measurements.push_back(entry.first);
  return measurements;
}

HeldLines::Queue HeldLines::release(std::string_view measurement) {
  const auto found = queues_.find(measurement);
  by_time_.erase({found->second.next_attempt_ns_, &found->first});
  Queue queue = std::move(found->second);
  queues_.erase(found);
  lines_ -= queue.size();
  bytes_ -= queue.bytes();
  return queue;
}

int HeldLines::attempts(std::string_view measurement) const noexcept {
  const auto found = queues_.find(measurement);
  return found == queues_.end() ? 0 : found->second.attempts_;
}

}  // namespace influx::ingest
