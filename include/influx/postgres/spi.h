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

/// Opens an SPI connection within the one that is open, whose statements know `relation` by its
/// name. For with_relation().
void connect_with(const EphemeralNamedRelationData& relation);

/// Runs `call`, whose statements know `relation` by its name. They do so in an SPI connection of
/// their own, which belongs to the subtransaction that is open: whatever ends that by an error ends
/// the connection, and the server does not refer to the relation then. REQUIRES: a transaction.
/// Raises; the frame is one of plain data.
template <typename Call>
void with_relation(const EphemeralNamedRelationData& relation, Call&& call) {
  connect_with(relation);
  call();
  SPI_finish();
}

}  // namespace influx::postgres
