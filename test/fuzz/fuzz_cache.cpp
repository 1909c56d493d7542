// The cache that bounds what the parser remembers: small, so that an input can fill it, and with
// hashes that collide. The input is a program: two bytes for each step, behind one that tells the
// size.

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/check.h"
#include "influx/line_protocol/bounded_cache.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

struct Entry {
  std::uint32_t key = 0;
  std::size_t size = 0;

  char* rest() { return reinterpret_cast<char*>(this + 1); }
  std::size_t rest_size() const { return size - sizeof(Entry); }
};

class Run {
 public:
  Run(std::uint32_t slots, std::size_t bytes)
      : slots_(slots), bytes_(bytes), cache_(slots, bytes) {}

  void step(std::uint8_t what, std::uint8_t with) {
    const std::uint32_t key = with;
    const std::uint32_t slot = find(key);
    if (slot != kNoSlot) {
      if (what % 2 == 0) cache_.touch(slot);
    } else {
      insert(key, sizeof(Entry) + what / 4 * std::size_t{8}, what % 4);
    }
    check_all();
  }

 private:
  // Few places and few tags: most keys share theirs with others, some share the whole hash.
  static std::uint64_t hash_of(std::uint32_t key) {
    return std::uint64_t{key % 7} << 32 | std::uint64_t{key % 5} << 48 | key % 11;
  }

  std::uint32_t find(std::uint32_t key) {
    const std::uint32_t slot =
        cache_.find(hash_of(key), [key](const Entry& entry) { return entry.key == key; });
    if (slot != kNoSlot) check(cache_[slot].key == key, "what is found is what was asked for");
    return slot;
  }

  void insert(std::uint32_t key, std::size_t size, unsigned keep) {
    const std::uint32_t kept = keep == 0 ? kNoSlot : last_;
    const Entry* const kept_entry = cache_.at(kept);
    const std::uint32_t slot =
        cache_.insert(hash_of(key), size, kept_entry == nullptr ? kNoSlot : kept);
    if (kept_entry != nullptr) check(cache_.at(kept) == kept_entry, "what is kept is not evicted");
    if (slot == kNoSlot) return;
    check(size <= bytes_ / 16, "nothing large is taken");
    check(slot <= slots_given_, "slots are given out from 0 on");
    if (slot == slots_given_) ++slots_given_;
    check(slots_given_ <= slots_, "there are no more slots than asked for");
    Entry& entry = cache_[slot];
    check(entry.key == 0 && entry.size == 0, "an entry is new");
    entry.key = key;
    entry.size = size;
    std::memset(entry.rest(), static_cast<int>(key), entry.rest_size());
    check(find(key) == slot, "what was inserted is found");
    last_ = slot;
  }

  void check_all() {
    std::size_t bytes = 0;
    for (std::uint32_t slot = 0; slot < slots_given_; ++slot) {
      Entry* const entry = cache_.at(slot);
      if (entry == nullptr) continue;
      bytes += entry->size;
      const std::string expected(entry->rest_size(), static_cast<char>(entry->key));
      check(std::memcmp(entry->rest(), expected.data(), expected.size()) == 0,
            "an entry keeps its bytes");
    }
    check(cache_.at(slots_given_) == nullptr, "a slot never given has no entry");
    check(bytes <= bytes_, "the bytes are bounded");
  }

  std::uint32_t slots_;
  std::size_t bytes_;
  BoundedCache<Entry> cache_;
  std::uint32_t slots_given_ = 0;
  std::uint32_t last_ = kNoSlot;
};

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  if (size == 0) return 0;
  Run run(std::uint32_t{1} << data[0] % 8, std::size_t{512} << data[0] / 8 % 8);
  for (std::size_t i = 1; i + 1 < size && i < 1024; i += 2)
    run.step(data[i], data[i + 1]);
  return 0;
}
