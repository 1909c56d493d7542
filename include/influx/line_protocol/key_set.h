#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace influx::line_protocol {

/// A number that equal keys share and different keys of ordinary length rarely do. It reads at most
/// 16 bytes, so it is cheap and collisions are easy to make on purpose: use it to tell keys apart,
/// never to find that they are the same.
std::uint64_t key_signature(std::string_view key) noexcept;

/// Finds keys that occur more than once among the tags or the fields of a line. A few keys, the
/// common case, are compared pair by pair through their signatures; more are sorted. No input makes
/// that quadratic: where signatures fail to tell keys apart, the sort goes on to compare their
/// bytes.
///
/// The memory is kept from line to line.
class KeySet {
 public:
  /// Whether two of `items`, which are tags or fields, have the same key. May throw std::bad_alloc,
  /// and what `poll` throws, which is called now and then where there are very many, if it is not
  /// null.
  template <class Item>
  bool has_duplicates(std::span<const Item> items, void (*poll)() = nullptr) {
    if (items.size() <= kFewKeys) {
      std::array<std::uint64_t, kFewKeys> signatures;
      for (std::size_t i = 0; i < items.size(); ++i)
        signatures[i] = key_signature(items[i].key);
      if (are_distinct({signatures.data(), items.size()})) return false;
    }
    entries_.clear();
    for (const Item& item : items)
      add(item.key);
    return sort(poll);
  }

  /// For each key that equals an earlier one the index of the first that it equals, for any other
  /// its own index. May throw std::bad_alloc. REQUIRES: has_duplicates() just returned true.
  const std::vector<std::size_t>& first_occurrences();

 private:
  /// Up to this many keys, comparing all pairs of signatures is cheaper than sorting.
  static constexpr std::size_t kFewKeys = 32;

  struct Entry {
    std::uint64_t signature = 0;
    std::size_t index = 0;
    std::string_view key;
  };

  static bool are_distinct(std::span<const std::uint64_t> signatures) noexcept;
  void add(std::string_view key);
  bool sort(void (*poll)());

  std::vector<Entry> entries_;
  std::vector<std::size_t> first_occurrences_;
};

}  // namespace influx::line_protocol
