#include "influx/line_protocol/series_cache.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <new>

#include "influx/line_protocol/hash.h"
#include "influx/line_protocol/scan.h"
#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {
namespace {

// Whether the input goes on with these bytes and a space. That no backslash hides the space is
// known: `raw` was the whole of a series, which does not end in one.
bool is_at(std::string_view raw, const char* at, const char* end) noexcept {
  return static_cast<std::size_t>(end - at) > raw.size() && at[raw.size()] == ' ' &&
         std::memcmp(at, raw.data(), raw.size()) == 0;
}

constexpr std::size_t aligned(std::size_t size) noexcept {
  return (size + alignof(Tag) - 1) / alignof(Tag) * alignof(Tag);
}

}  // namespace

Series* SeriesCache::find(const char* at, const char* end) noexcept {
  missed_size_ = 0;
  if (Series* const before = cache_.at(last_)) {
    Series* const expected = cache_.at(before->next_);
    if (expected != nullptr && is_at({expected->raw(), expected->raw_size_}, at, end)) {
      return follow(expected);
    }
    if (is_at({before->raw(), before->raw_size_}, at, end)) return before;
  }

  const char* const limit = at + std::min<std::size_t>(end - at, kLongestSeries + 1);
  const char* const space = find_series_end(at, limit);
  if (space == nullptr) return nullptr;
  const std::string_view raw(at, static_cast<std::size_t>(space - at));
  const std::uint64_t hash = hash_of(raw, seed_);
  const std::uint32_t slot = cache_.find(hash, [raw](const Series& series) {
    return raw == std::string_view(series.raw(), series.raw_size_);
  });
  if (slot != kNoSlot) return follow(&cache_[slot]);
  missed_hash_ = hash;
  missed_size_ = raw.size();
  return nullptr;
}

// Notes that this is the series of the line now.
Series* SeriesCache::follow(Series* series) noexcept {
  Series* const before = cache_.at(last_);
  if (before != nullptr && before->next_ != series->slot_) before->next_ = series->slot_;
  last_ = series->slot_;
  cache_.touch(last_);
  constexpr std::size_t kAhead = 256;  // head and raw bytes of most series
  // The fields of this line leave the time to bring in what the next one will compare.
  if (const Series* const expected = cache_.at(series->next_)) {
    const char* const head = reinterpret_cast<const char*>(expected);
    for (std::size_t offset = 0; offset < kAhead; offset += 64)
      __builtin_prefetch(head + offset);
  }
  return series;
}

Series* SeriesCache::insert(std::string_view raw, std::string_view measurement,
                            std::span<const Tag> tags) {
  if (raw.empty() || raw.size() != missed_size_) return nullptr;
  const auto is_in_place = [raw](std::string_view text) {
    const std::less_equal<const char*> not_after;
    return not_after(raw.data(), text.data()) &&
           not_after(text.data() + text.size(), raw.data() + raw.size());
  };
  // What was unescaped is copied behind the tags, everything else is a part of the raw bytes.
  std::size_t unescaped = is_in_place(measurement) ? 0 : measurement.size();
  for (const Tag& tag : tags) {
    unescaped += is_in_place(tag.key) ? 0 : tag.key.size();
    unescaped += is_in_place(tag.value) ? 0 : tag.value.size();
  }
  const std::size_t tags_at = aligned(sizeof(Series) + raw.size());
  const std::size_t size = tags_at + tags.size_bytes() + unescaped;
  const std::uint32_t slot = cache_.insert(missed_hash_, size);
  if (slot == kNoSlot) return nullptr;

  Series* const series = &cache_[slot];
  char* const block = reinterpret_cast<char*>(series);
  char* out = series->raw();
  const std::string_view own_raw = append_text(out, raw);
  out = block + tags_at + tags.size_bytes();
  const auto own = [&](std::string_view text) {
    if (!is_in_place(text)) return append_text(out, text);
    return own_raw.substr(static_cast<std::size_t>(text.data() - raw.data()), text.size());
  };
  series->slot_ = slot;
  series->id_ = ++last_id_;
  series->raw_size_ = static_cast<std::uint32_t>(raw.size());
  series->measurement_ = own(measurement);
  Tag* const own_tags = reinterpret_cast<Tag*>(block + tags_at);
  for (std::size_t i = 0; i < tags.size(); ++i)
    new (own_tags + i) Tag{own(tags[i].key), own(tags[i].value)};
  series->tags_ = {own_tags, tags.size()};
  return follow(series);
}

}  // namespace influx::line_protocol
