#include "influx/line_protocol/key_set.h"

#include <algorithm>
#include <cstring>

namespace influx::line_protocol {
namespace {

/// Comparisons between two calls of a function that polls, less one.
constexpr std::uint32_t kPollMask = 0xFFFF;

template <class Word>
std::uint64_t load(const char* at) noexcept {
  Word word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

}  // namespace

std::uint64_t key_signature(std::string_view key) noexcept {
  const char* const at = key.data();
  const std::size_t size = key.size();
  // The first and the last bytes of the key: the ones that differ in keys of one family. The ranges
  // overlap in short keys, so that every length needs two loads and no loop.
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  if (size >= 8) {
    head = load<std::uint64_t>(at);
    tail = load<std::uint64_t>(at + size - 8);
  } else if (size >= 4) {
    head = load<std::uint32_t>(at);
    tail = load<std::uint32_t>(at + size - 4);
  } else if (size != 0) {
    head = load<std::uint8_t>(at);
    tail = load<std::uint8_t>(at + size / 2) << 8 | load<std::uint8_t>(at + size - 1);
  }
  // An odd multiplier keeps every bit of `tail`; the rotation keeps equal halves from cancelling
  // out.
  return (head << 23 | head >> 41) ^ (tail * 0x9E3779B97F4A7C15U) ^ (std::uint64_t{size} << 32);
}

bool KeySet::are_distinct(std::span<const std::uint64_t> signatures) noexcept {
  for (std::size_t i = 1; i < signatures.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) {
      if (signatures[k] == signatures[i]) return false;
    }
  }
  return true;
}

void KeySet::add(std::string_view key) {
  entries_.push_back({key_signature(key), entries_.size(), key});
}

// Brings equal keys together, the earliest in front, and tells whether there are any.
bool KeySet::sort(void (*poll)()) {
  std::uint32_t comparisons = 0;
  std::sort(entries_.begin(), entries_.end(), [&](const Entry& left, const Entry& right) {
    if (poll != nullptr && (++comparisons & kPollMask) == 0) poll();
    if (left.signature != right.signature) return left.signature < right.signature;
    if (const int order = left.key.compare(right.key); order != 0) return order < 0;
    return left.index < right.index;
  });
  return std::adjacent_find(entries_.begin(), entries_.end(),
                            [](const Entry& left, const Entry& right) {
                              return left.signature == right.signature && left.key == right.key;
                            }) != entries_.end();
}

const std::vector<std::size_t>& KeySet::first_occurrences() {
  first_occurrences_.resize(entries_.size());
  const Entry* first = nullptr;
  for (const Entry& entry : entries_) {
    if (first == nullptr || first->key != entry.key) first = &entry;
    first_occurrences_[entry.index] = first->index;
  }
  return first_occurrences_;
}

}  // namespace influx::line_protocol
