#pragma once

#include "influx/schema/extension.h"

namespace influx::ingest {

/// What lines need of their table that could not be made yet, and how it stands with that.
struct Need {
  schema::Extension extension;

  /// Whether it only waits for its turn: nobody has tried to make it.
  bool rationed = false;
  /// Whether it has taken its part of the ration already.
  bool paid = false;

  /// When the first attempt failed for a lock, and from when on one may wait for it longer than
  /// others, on the monotonic clock.
  std::int64_t begun_ns = 0;
  std::int64_t patient_ns = 0;

  /// The table, as it was when the first line began to wait; of no use where it was missing, or has
  /// changed since.
  std::weak_ptr<const schema::Table> table;
  /// Where it has keys: hash_of_key() of each line that waits.
  std::unordered_set<std::uint64_t> keys;

  /// The memory that it takes, in bytes.
  std::size_t bytes() const noexcept {
    constexpr std::size_t kKeyBytes = 40;
    return sizeof(*this) + schema::Extension::bytes(extension.columns.size()) +
           keys.size() * kKeyBytes;
  }
};

/// What is missing, for messages: the table, or its first column that is to be added. The text is
/// in CurrentMemoryContext. Raises.
const char* what_is_missing(const schema::Extension& extension);

}  // namespace influx::ingest
