#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "influx/line_protocol/bounded_cache.h"
#include "influx/line_protocol/point.h"

namespace influx::line_protocol {

/// Measurement and tags of a line as the parser found them once. Its views point into its own
/// memory.
class Series {
 public:
  std::string_view measurement() const noexcept { return measurement_; }
  std::span<const Tag> tags() const noexcept { return tags_; }
  Remembered remembered() const noexcept { return {slot_, id_}; }
  std::size_t raw_size() const noexcept { return raw_size_; }

  /// The slots, for FieldKeysCache, of the field keys that its lines had, the last first. Some
  /// senders divide the fields of one series between two lines.
  std::uint32_t field_keys() const noexcept { return field_keys_; }
  std::uint32_t other_field_keys() const noexcept { return other_field_keys_; }
  void had_field_keys(std::uint32_t slot) noexcept {
    if (slot == field_keys_) return;
    other_field_keys_ = field_keys_;
    field_keys_ = slot;
  }

 private:
  friend class SeriesCache;

  const char* raw() const noexcept { return reinterpret_cast<const char*>(this + 1); }
  char* raw() noexcept { return reinterpret_cast<char*>(this + 1); }

  // What a lookup needs comes first, next to the raw bytes.
  std::string_view measurement_;
  std::span<const Tag> tags_;
  std::uint64_t id_ = 0;
  std::uint32_t slot_ = 0;
  std::uint32_t raw_size_ = 0;
  std::uint32_t next_ = kNoSlot;  // the series that followed last time
  std::uint32_t field_keys_ = kNoSlot;
  std::uint32_t other_field_keys_ = kNoSlot;
};

/// Remembers series by their bytes in the input, from the start of the measurement up to the space
/// before the fields, so that a line of a known series needs no look at its tags.
///
/// This is sound because the bytes decide everything: a space ends a series if and only if no
/// backslash is directly before it, whatever comes before that backslash, and up to there the
/// parser looks at no byte behind. So bytes that were read once as a series without error, followed
/// by a space, are read in the same way wherever a space follows them.
///
/// Senders repeat themselves: each series remembers which other one came behind it, and that and
/// the series of the line before are compared first, before any byte is searched or hashed.
class SeriesCache {
 public:
  static constexpr std::uint32_t kSlots = 16384;
  /// Longer ones are not kept.
  static constexpr std::size_t kLongestSeries = 1024;

  /// `hash_seed` decides which series share a place; see hash_of().
  explicit SeriesCache(std::uint64_t hash_seed) noexcept : seed_(hash_seed) {}

  /// The series of which the input at `at` has the bytes and a space behind them, or null. It stays
  /// valid until the next call of insert(). Looks at no byte behind the first space or control
  /// byte.
  Series* find(const char* at, const char* end) noexcept;

  /// Keeps a copy of the series that find() just missed; null where it is not to be kept (yet).
  /// `raw` are its bytes. May throw std::bad_alloc.
  /// REQUIRES: `raw` was read without error and a space follows it.
  Series* insert(std::string_view raw, std::string_view measurement, std::span<const Tag> tags);

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;

  Series* follow(Series* series) noexcept;

  std::uint64_t seed_;
  BoundedCache<Series> cache_{kSlots, kMaxBytes};
  std::uint64_t last_id_ = 0;
  std::uint32_t last_ = kNoSlot;  // the slot of the line before
  std::uint64_t missed_hash_ = 0;
  std::size_t missed_size_ = 0;  // 0: find() saw no series that could be kept
};

}  // namespace influx::line_protocol
