#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <vector>

#include "influx/line_protocol/hash.h"
#include "influx/line_protocol/series_cache.h"

// Hashes of what strangers send: who knows one seed knows nothing of another one, and a collision
// costs little even so.

namespace influx::line_protocol::testing {
namespace {

constexpr std::uint64_t kKnownSeed = 0;
constexpr std::uint64_t kSecretSeed = 0x5EED5EED12345678U;

/// Names of which an attacker who knows `seed` has found that their hashes end in the same bits.
std::vector<std::string> colliding_names(std::size_t count, std::uint64_t seed,
                                         std::uint64_t mask) {
  std::vector<std::string> names;
  for (unsigned long i = 0; names.size() < count; ++i) {
    std::string name = "m,host=h" + std::to_string(i);
    if ((hash_of(name, seed) & mask) == 0) names.push_back(std::move(name));
  }
  return names;
}

/// The most of `hashes` that share a place of 256.
template <class Hashes>
std::size_t most_in_a_place(const Hashes& hashes) {
  std::array<std::size_t, 256> places{};
  for (const std::uint64_t hash : hashes)
    ++places[hash % places.size()];
  return *std::max_element(places.begin(), places.end());
}

TEST(Hash, NamesThatCollideForOneSeedDoNotForAnother) {
  std::vector<std::uint64_t> known;
  std::vector<std::uint64_t> secret;
  for (const std::string& name : colliding_names(256, kKnownSeed, 0xFFF)) {
    known.push_back(hash_of(name, kKnownSeed));
    secret.push_back(hash_of(name, kSecretSeed));
  }
  EXPECT_EQ(most_in_a_place(known), 256U);
  EXPECT_LT(most_in_a_place(secret), 10U);
}

TEST(Hash, EveryByteAndTheLengthMatter) {
  for (std::size_t size = 0; size < 40; ++size) {
    std::set<std::uint64_t> hashes{hash_of(std::string(size, '\0'), kSecretSeed)};
    for (std::size_t at = 0; at < size; ++at) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        std::string text(size, '\0');
        text[at] = static_cast<char>(1U << bit);
        hashes.insert(hash_of(text, kSecretSeed));
      }
    }
    EXPECT_EQ(hashes.size(), 1 + 8 * size) << size;
    hashes.insert(hash_of(std::string(size + 1, '\0'), kSecretSeed));
    EXPECT_EQ(hashes.size(), 2 + 8 * size) << size;
  }
}

// Times that differ in their high bits alone, as a sender may choose them.
TEST(Hash, WordsThatDifferInHighBitsOnlySpread) {
  for (unsigned shift = 0; shift <= 56; shift += 8) {
    std::vector<std::uint64_t> hashes;
    for (std::uint64_t i = 0; i < 256; ++i)
      hashes.push_back(mix(kSecretSeed, i << shift));
    EXPECT_LT(most_in_a_place(hashes), 12U) << shift;
  }
}

TEST(Hash, TheFoldedProductIsThatOfBothHalves) {
  EXPECT_EQ(folded_product(3, 5), 15U);
  EXPECT_EQ(folded_product(std::uint64_t{1} << 63, 2), 1U);
  // (2^64 - 1)^2 = 2^128 - 2^65 + 1
  EXPECT_EQ(folded_product(~std::uint64_t{0}, ~std::uint64_t{0}), (~std::uint64_t{0} - 1) ^ 1U);
}

TEST(Hash, TheSeedOfAProcessStays) {
  EXPECT_EQ(process_hash_seed(), process_hash_seed());
  EXPECT_EQ(NameHash{}("cpu"), NameHash{}(std::string("cpu")));
  EXPECT_EQ(NameHash{}("cpu"), hash_of("cpu", process_hash_seed()));
}

/// How many of `names`, each told twice, a cache knows at the end.
std::size_t known_series(const std::vector<std::string>& names, std::uint64_t seed) {
  SeriesCache cache(seed);
  for (int round = 0; round < 2; ++round) {
    for (const std::string& name : names) {
      const std::string line = name + " v=1";
      const std::string_view raw = std::string_view(line).substr(0, name.size());
      if (cache.find(line.data(), line.data() + line.size()) == nullptr)
        cache.insert(raw, raw.substr(0, 1), {});
    }
  }
  std::size_t known = 0;
  for (const std::string& name : names) {
    const std::string line = name + " v=1";
    if (cache.find(line.data(), line.data() + line.size()) != nullptr) ++known;
  }
  return known;
}

// A lookup looks at eight places, whatever collides: what has no place there is not known, and is
// read as if it were new. Where the seed is not known, nobody can bring that about.
TEST(Hash, SeriesThatCollideAreForgottenAndCostNoSearch) {
  const std::vector<std::string> names = colliding_names(40, kKnownSeed, 0x7FFF);
  EXPECT_LE(known_series(names, kKnownSeed), 8U);
  EXPECT_EQ(known_series(names, kSecretSeed), names.size());
}

}  // namespace
}  // namespace influx::line_protocol::testing
