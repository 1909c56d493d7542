#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// Prepares a statement with `count` parameters of the `types`, and keeps its plan until
/// SPI_freeplan(). REQUIRES: SPI connected. Raises.
SPIPlanPtr prepare_and_keep(const char* sql, int count, const Oid* types);

/// Runs a statement with `count` parameters once. `nulls` is nullptr where none is. `expected` is
/// the SPI_OK code that it has to return. REQUIRES: SPI connected. Raises.
void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls,
             int expected);

/// Runs a plan that writes, and returns the number of rows that it has written. `values` and
/// `nulls` are as for SPI_execute_plan(). REQUIRES: SPI connected. Raises.
std::uint64_t execute_plan(SPIPlanPtr plan, Datum* values, const char* nulls);

}  // namespace influx::postgres
