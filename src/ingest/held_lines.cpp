#include "influx/ingest/held_lines.h"

#include "influx/transport/clock.h"

namespace influx::ingest {

namespace {

constexpr std::size_t kBlockBytes = std::size_t{64} * 1024;

bool same_origin(const Origin& left, const Origin& right) noexcept {
  return left.received_ns == right.received_ns && left.sender == right.sender;
}

}  // namespace

void HeldLines::hold(std::string_view measurement, int attempts, std::int64_t now_ns) {
  Queue& queue = queues_.try_emplace(std::string(measurement)).first->second;
  queue.attempts_ = attempts;
  const std::int64_t pause = transport::back_off(kFirstPauseNs, kLongestPauseNs, attempts);
  // Two listeners that wait for each other's rows would else meet again at each attempt.
  queue.next_attempt_ns_ =
      now_ns + static_cast<std::int64_t>(pg_prng_uint64_range(&pg_global_prng_state,
                                                              static_cast<std::uint64_t>(pause) / 2,
                                                              static_cast<std::uint64_t>(pause)));
}

void HeldLines::add(std::string_view measurement, const Line& line, const Origin& origin) {
  Queue& queue = queues_.find(measurement)->second;
  const std::size_t before = queue.bytes_;
  if (queue.origins_.empty() || !same_origin(queue.origins_.back(), origin)) {
    queue.origins_.push_back(origin);
    queue.bytes_ += sizeof(Origin);
  }
  if (queue.blocks_.empty() ||
      queue.blocks_.back().capacity() - queue.blocks_.back().size() < line.text.size()) {
    queue.blocks_.emplace_back().reserve(std::max(kBlockBytes, line.text.size()));
    queue.bytes_ += queue.blocks_.back().capacity();
  }
  std::string& block = queue.blocks_.back();
  const std::size_t offset = block.size();
  block += line.text;
  queue.lines_.push_back({std::string_view(block).substr(offset), line.number,
                          static_cast<std::uint32_t>(queue.origins_.size() - 1)});
  queue.bytes_ += sizeof(Queue::Entry);
  bytes_ += queue.bytes_ - before;
  ++lines_;
}

std::size_t HeldLines::lines(std::string_view measurement) const noexcept {
  const auto found = queues_.find(measurement);
  return found == queues_.end() ? 0 : found->second.size();
}

std::optional<std::int64_t> HeldLines::next_attempt_ns() const noexcept {
  std::optional<std::int64_t> next;
  for (const auto& entry : queues_) {
    const std::int64_t at = entry.second.next_attempt_ns_;
    if (!next || at < *next) next = at;
  }
  return next;
}

std::vector<std::string> HeldLines::due(std::int64_t now_ns) const {
  std::vector<std::string> measurements;
  for (const auto& [measurement, queue] : queues_) {
    if (queue.next_attempt_ns_ <= now_ns) measurements.push_back(measurement);
  }
  return measurements;
}

HeldLines::Queue HeldLines::release(std::string_view measurement) {
  const auto found = queues_.find(measurement);
  Queue queue = std::move(found->second);
  queues_.erase(found);
  lines_ -= queue.size();
  bytes_ -= queue.bytes_;
  return queue;
}

int HeldLines::attempts(std::string_view measurement) const noexcept {
  const auto found = queues_.find(measurement);
  return found == queues_.end() ? 0 : found->second.attempts_;
}

}  // namespace influx::ingest
