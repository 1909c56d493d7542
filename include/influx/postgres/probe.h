#pragma once

#include <cstddef>

namespace influx::postgres {

/// Raises where nothing can be written to this database now, whatever the table: transactions may
/// only read, none can be begun that writes, or there is no room where the database is. Touches no
/// table. REQUIRES: a transaction.
void check_writing();

/// Whether the process could have so many bytes more, which it does not get.
bool can_allocate(std::size_t bytes) noexcept;

}  // namespace influx::postgres
