#include "influx/line_protocol/field_keys.h"

#include <algorithm>
#include <new>

#include "influx/line_protocol/hash.h"
#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {
namespace {

// A raw key has an equals sign behind the name, and is longer still where it has escapes.
bool is_escaped(std::string_view raw, std::string_view name) noexcept {
  return raw.size() != name.size() + 1;
}

}  // namespace

const FieldKeys* FieldKeysCache::expected_for(std::string_view measurement) const noexcept {
  if (measurements_ == nullptr) return nullptr;
  return cache_.at((*measurements_)[hash_of(measurement, seed_) % kMeasurements]);
}

void FieldKeysCache::expect_for(std::string_view measurement, const FieldKeys& keys) {
  if (measurements_ == nullptr) {
    measurements_ = std::make_unique<Measurements>();
    measurements_->fill(kNoSlot);
  }
  (*measurements_)[hash_of(measurement, seed_) % kMeasurements] = keys.slot_;
}

const FieldKeys* FieldKeysCache::find(std::span<const std::string_view> raw) noexcept {
  std::uint64_t hash = seed_;
  for (const std::string_view key : raw)
    hash = mix(hash, hash_of(key, seed_));
  missed_hash_ = hash;
  const std::uint32_t slot = cache_.find(hash, [raw](const FieldKeys& keys) {
    return std::equal(
        raw.begin(), raw.end(), keys.keys_.begin(), keys.keys_.end(),
        [](std::string_view left, const FieldKeys::Key& right) { return left == right.raw; });
  });
  if (slot == kNoSlot) return nullptr;
  cache_.touch(slot);
  return cache_.at(slot);
}

const FieldKeys* FieldKeysCache::insert(std::span<const std::string_view> raw,
                                        std::span<const Field> fields, const FieldKeys* in_use) {
  if (raw.size() > kMostKeys) return nullptr;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    bytes += raw[i].size();
    if (is_escaped(raw[i], fields[i].key)) bytes += fields[i].key.size();
  }
  if (bytes > kMostBytes) return nullptr;

  const std::size_t texts_at = sizeof(FieldKeys) + raw.size() * sizeof(FieldKeys::Key);
  const std::uint32_t kept = in_use == nullptr ? kNoSlot : in_use->slot_;
  const std::uint32_t slot = cache_.insert(missed_hash_, texts_at + bytes + kPrefixPadding, kept);
  if (slot == kNoSlot) return nullptr;

  FieldKeys* const keys = cache_.at(slot);
  auto* const own = reinterpret_cast<FieldKeys::Key*>(keys + 1);
  char* out = reinterpret_cast<char*>(keys) + texts_at;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    const std::string_view own_raw = append_text(out, raw[i]);
    const bool escaped = is_escaped(raw[i], fields[i].key);
    new (own + i) FieldKeys::Key{
        own_raw, escaped ? append_text(out, fields[i].key) : own_raw.substr(0, own_raw.size() - 1)};
  }
  std::fill_n(out, kPrefixPadding, '\0');
  keys->keys_ = {own, raw.size()};
  keys->slot_ = slot;
  keys->id_ = ++last_id_;
  return keys;
}

}  // namespace influx::line_protocol
