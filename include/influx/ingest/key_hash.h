#pragma once

#include "influx/ingest/row_mapper.h"
#include "influx/schema/arbiter.h"

namespace influx::ingest {

/// A number that is the same for points of `table` which `arbiter` may take for the same row, as
/// far as can be told from the columns of `mapper`, which has just mapped one to a row or found it
/// to need more columns. It is rarely the same for others. Raises.
std::uint64_t hash_of_key(const schema::Table& table, const schema::Arbiter& arbiter,
                          const RowMapper& mapper);

}  // namespace influx::ingest
