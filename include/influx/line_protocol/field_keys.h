#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "influx/line_protocol/bounded_cache.h"
#include "influx/line_protocol/point.h"

namespace influx::line_protocol {

/// The keys of the fields of a line, in order, all different. Its views point into its own memory.
class FieldKeys {
 public:
  struct Key {
    std::string_view raw;   ///< as sent, with escapes and the equals sign behind
    std::string_view name;  ///< without escapes
  };

  std::span<const Key> keys() const noexcept { return keys_; }
  Remembered remembered() const noexcept { return {slot_, id_}; }

 private:
  friend class FieldKeysCache;

  std::span<const Key> keys_;
  std::uint64_t id_ = 0;
  std::uint32_t slot_ = 0;
};

/// Remembers sequences of field keys. Lines of a series, and mostly those of a measurement, have
/// the same fields in the same order; a parser that expects them compares where it else would scan,
/// check and look for duplicates.
class FieldKeysCache {
 public:
  static constexpr std::uint32_t kSlots = 4096;
  /// Sequences of more keys, or of more bytes, are not kept.
  static constexpr std::size_t kMostKeys = 256;
  static constexpr std::size_t kMostBytes = 8192;

  /// `hash_seed` decides which sequences share a place; see hash_of().
  explicit FieldKeysCache(std::uint64_t hash_seed) noexcept : seed_(hash_seed) {}

  /// The keys in `slot`, or null: there may be none (any more), or others than once there were.
  const FieldKeys* at(std::uint32_t slot) const noexcept { return cache_.at(slot); }

  /// Tells that `keys` were of use: others are evicted before them.
  void touch(const FieldKeys& keys) noexcept { cache_.touch(keys.slot_); }

  /// What is likely in the next line of `measurement`, or null: the keys last told for it.
  const FieldKeys* expected_for(std::string_view measurement) const noexcept;
  /// May throw std::bad_alloc.
  void expect_for(std::string_view measurement, const FieldKeys& keys);

  /// The keys whose raw forms are `raw`, or null.
  const FieldKeys* find(std::span<const std::string_view> raw) noexcept;

  /// Keeps the keys of `fields`, whose raw forms are `raw` and which find() just missed; null where
  /// they are not to be kept (yet). `in_use`, which may be null, stays valid. May throw
  /// std::bad_alloc. REQUIRES: all keys are different.
  const FieldKeys* insert(std::span<const std::string_view> raw, std::span<const Field> fields,
                          const FieldKeys* in_use);

 private:
  static constexpr std::size_t kMaxBytes = std::size_t{2} << 20;
  static constexpr std::size_t kMeasurements = 1024;
  using Measurements = std::array<std::uint32_t, kMeasurements>;

  std::uint64_t seed_;
  BoundedCache<FieldKeys> cache_{kSlots, kMaxBytes};
  std::uint64_t last_id_ = 0;
  std::uint64_t missed_hash_ = 0;
  // By the hash of the measurement, and nothing but a guess: who expects the wrong keys finds out
  // at the first of them.
  std::unique_ptr<Measurements> measurements_;
};

}  // namespace influx::line_protocol
