#include "influx/ingest/key_hash.h"

#include "influx/line_protocol/hash.h"
#include "influx/postgres/text.h"

namespace influx::ingest {

using schema::Equality;
using schema::KeyColumn;

namespace {

/// A number that is the same for values which the index of a key takes for the same.
std::uint64_t hash_of(const KeyColumn& column, Datum value, std::uint64_t seed) {
  switch (column.equality) {
    case Equality::kWord:
      return value;
    case Equality::kBytes:
      return line_protocol::hash_of(
          postgres::text_view(reinterpret_cast<const text*>(DatumGetPointer(value))), seed);
    case Equality::kFunction:
      break;
  }
  return 0;  // only the index itself can tell
}

}  // namespace

std::uint64_t hash_of_key(const schema::Table& table, const schema::Arbiter& arbiter,
                          const RowMapper& mapper) {
  const std::uint64_t seed = line_protocol::process_hash_seed();
  std::uint64_t hash = seed;
  for (const KeyColumn& column : arbiter.key) {
    const bool is_constant = column.absent == KeyColumn::Absent::kConstant;
    std::uint64_t part = 1;
    // What does not come from the point as it is, or is put together at the end, may be anything.
    if (column.column != table.tags && (is_constant || column.absent == KeyColumn::Absent::kNull)) {
      if (mapper.has(column.column)) {
        part = hash_of(column, mapper.value_of(column.column), seed);
      } else if (is_constant) {
        part = hash_of(column, column.constant, seed);
      }
    }
    hash = line_protocol::mix(hash, part);
  }
  return hash;
}

}  // namespace influx::ingest
