#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace influx::line_protocol {

/// The slot of nothing, in every BoundedCache.
inline constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};

/// Copies `text` to `out`, in the block of an entry, and moves `out` behind it. Returns the copy.
inline std::string_view append_text(char*& out, std::string_view text) noexcept {
  char* const start = out;
  std::memcpy(start, text.data(), text.size());
  out += text.size();
  return {start, text.size()};
}

/// Entries that are found by a hash, bounded in number and in bytes. An `Entry` is the head of a
/// block of memory, whose rest is its owner's to lay out; it stays where it is until it is evicted.
///
/// An entry has a slot, a small number: slots are given out from 0 on, so that a table beside this
/// one grows as this one does. Nothing is allocated before the first entry.
///
/// No input makes it slow. A lookup looks at kWays places, whatever collides. Once something must
/// be evicted for it, an entry is taken only at its second sighting in a while, so that a flood of
/// things seen once costs a probe each and evicts nothing.
template <class Entry>
class BoundedCache {
 public:
  /// At most `slots` entries, a power of two, and `bytes` in their blocks.
  BoundedCache(std::uint32_t slots, std::size_t bytes) noexcept
      : max_slots_(slots), max_bytes_(bytes) {}

  /// The entry in `slot`, or null: where there is none (any more), and for kNoSlot.
  Entry* at(std::uint32_t slot) const noexcept {
    return slot < slots_.size() ? slots_[slot].entry.get() : nullptr;
  }

  /// The entry in `slot`. REQUIRES: there is one.
  Entry& operator[](std::uint32_t slot) const noexcept { return *slots_[slot].entry; }

  /// The slot of the entry with `hash` for which `is_same(entry)` holds, or kNoSlot.
  template <class IsSame>
  std::uint32_t find(std::uint64_t hash, IsSame is_same) const noexcept {
    if (ways_.empty()) return kNoSlot;
    for (std::size_t i = 0; i < kWays; ++i) {
      const Way& way = way_of(hash, i);
      if (way.tag == tag_of(hash) && way.slot != kNoSlot && is_same(*slots_[way.slot].entry)) {
        return way.slot;
      }
    }
    return kNoSlot;
  }

  /// Tells that the entry in `slot` was of use: others are evicted before it.
  void touch(std::uint32_t slot) noexcept {
    if (!slots_[slot].used) slots_[slot].used = true;
  }

  /// Makes an entry at the head of a block of `size` bytes, evicting others but never the one in
  /// `kept`; kNoSlot where it is not to be kept (yet). May throw std::bad_alloc and has then
  /// changed nothing but what is evicted. REQUIRES: find() did not find it.
  std::uint32_t insert(std::uint64_t hash, std::size_t size, std::uint32_t kept = kNoSlot) {
    static_assert(std::is_trivially_destructible_v<Entry>);
    if (size > max_bytes_ / 16) return kNoSlot;
    if (count_ * 2 >= ways_.size() && ways_.size() < std::size_t{max_slots_} * 2) grow();
    Way* way = free_way(hash);
    if ((way == nullptr || is_full(size)) && !is_second_sighting(hash)) return kNoSlot;

    Block block(new (::operator new(size)) Entry());
    if (slots_.size() < max_slots_ && free_.empty()) add_slot();
    if (way == nullptr) {
      evict(victim_among_ways(hash, kept));
      way = free_way(hash);
    }
    for (std::size_t i = 0; i < kEvictions && is_full(size); ++i)
      evict(victim(kept));
    if (is_full(size)) return kNoSlot;

    const std::uint32_t slot = free_.back();
    free_.pop_back();
    slots_[slot] = {std::move(block), hash, size, true};
    *way = {tag_of(hash), slot};
    ++count_;
    bytes_ += size;
    return slot;
  }

 private:
  /// The places in which an entry can be, one behind the other.
  static constexpr std::size_t kWays = 8;
  static constexpr std::size_t kFirstWays = 32;
  /// How many entries may go for a new one; as many in use the clock passes over to find one.
  static constexpr std::size_t kEvictions = 8;

  struct Release {
    void operator()(Entry* entry) const noexcept { ::operator delete(entry); }
  };
  using Block = std::unique_ptr<Entry, Release>;

  struct Slot {
    Block entry;
    std::uint64_t hash = 0;
    std::size_t size = 0;
    bool used = false;
  };
  struct Way {
    std::uint32_t tag = 0;
    std::uint32_t slot = kNoSlot;
  };

  static std::uint32_t tag_of(std::uint64_t hash) noexcept {
    return static_cast<std::uint32_t>(hash >> 32);
  }
  Way& way_of(std::uint64_t hash, std::size_t i) noexcept {
    return ways_[(hash + i) & (ways_.size() - 1)];
  }
  const Way& way_of(std::uint64_t hash, std::size_t i) const noexcept {
    return ways_[(hash + i) & (ways_.size() - 1)];
  }
  Way* free_way(std::uint64_t hash) noexcept {
    for (std::size_t i = 0; i < kWays; ++i) {
      if (way_of(hash, i).slot == kNoSlot) return &way_of(hash, i);
    }
    return nullptr;
  }
  bool is_full(std::size_t size) const noexcept {
    return count_ >= max_slots_ || bytes_ + size > max_bytes_;
  }

  // Remembers what was seen once, in little and not exactly.
  bool is_second_sighting(std::uint64_t hash) {
    if (sightings_.empty()) sightings_.resize(std::size_t{max_slots_} * 2);
    std::uint16_t& sighting = sightings_[(hash >> 8) & (sightings_.size() - 1)];
    const auto mark = static_cast<std::uint16_t>(hash >> 48 | 1);
    return std::exchange(sighting, mark) == mark;
  }

  // The slots grow by one at a time and the list of free ones with them: it never has to grow when
  // an entry is evicted.
  void add_slot() {
    const auto slot = static_cast<std::uint32_t>(slots_.size());
    if (free_.capacity() <= slot) free_.reserve(std::max<std::size_t>(8, std::size_t{slot} * 2));
    slots_.emplace_back();
    free_.push_back(slot);
  }

  void grow() {
    std::vector<Way> ways(ways_.empty() ? kFirstWays : ways_.size() * 2);
    ways_.swap(ways);
    for (const Way& old : ways) {
      if (old.slot == kNoSlot) continue;
      if (Way* way = free_way(slots_[old.slot].hash)) {
        *way = old;
      } else {
        release(old.slot);  // what shares its ways with seven others already
      }
    }
  }

  std::uint32_t victim_among_ways(std::uint64_t hash, std::uint32_t kept) noexcept {
    const std::uint32_t slot = way_of(hash, ++hand_ % kWays).slot;
    return slot != kept ? slot : way_of(hash, ++hand_ % kWays).slot;
  }

  // By the clock: what was of no use since the hand passed last, or where that finds nothing soon,
  // the next best. kNoSlot where the hand meets nothing for long.
  std::uint32_t victim(std::uint32_t kept) noexcept {
    constexpr std::size_t kSteps = 64;
    std::uint32_t found = kNoSlot;
    for (std::size_t i = 0; i < kSteps && (i < kEvictions || found == kNoSlot); ++i) {
      const std::size_t slot = ++hand_ % slots_.size();
      if (slots_[slot].entry == nullptr || slot == kept) continue;
      found = static_cast<std::uint32_t>(slot);
      if (!std::exchange(slots_[slot].used, false)) break;
    }
    return found;
  }

  void evict(std::uint32_t slot) noexcept {
    if (slot == kNoSlot) return;
    for (std::size_t i = 0; i < kWays; ++i) {
      Way& way = way_of(slots_[slot].hash, i);
      if (way.slot == slot) way.slot = kNoSlot;
    }
    release(slot);
  }

  void release(std::uint32_t slot) noexcept {
    slots_[slot].entry.reset();
    bytes_ -= slots_[slot].size;
    --count_;
    free_.push_back(slot);
  }

  std::uint32_t max_slots_;
  std::size_t max_bytes_;
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t hand_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::vector<Way> ways_;
  std::vector<std::uint16_t> sightings_;
};

}  // namespace influx::line_protocol
