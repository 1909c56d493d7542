#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// What the names in a statement of ours have to mean, whenever the server analyses its text: at
/// first, and each time that a change of anything makes it plan a saved statement anew. A schema
/// that gets another name, and a stranger's that gets the name, stand under no lock of ours.
/// Plain data.
struct Names {
  Oid relation = InvalidOid;  ///< every relation that is named
  Oid function = InvalidOid;  ///< where there is one: the function that the statement calls
  /// The types of the rows of an INSERT ... SELECT, where there are any.
  TupleDesc rows = nullptr;
};

// A statement whose names mean something else is not planned: it is an error of class 40, which
// comes before anything of the statement has run. Then the caller may try again with the names of
// now.

/// Prepares a statement with `count` parameters of the `types`, and keeps its plan until
/// SPI_freeplan(). REQUIRES: SPI connected. Raises.
SPIPlanPtr prepare_and_keep(const char* sql, int count, const Oid* types, const Names& names);

/// Runs a statement with `count` parameters once. `nulls` is nullptr where none is. `expected` is
/// the SPI_OK code that it has to return. REQUIRES: SPI connected. Raises.
void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls, int expected,
             const Names& names);

/// Raises where the rows that the last statement has returned do not have columns of these types:
/// the owner of a table may have made others of those that the extension has made. REQUIRES: SPI
/// connected, and rows.
void require_result_types(std::span<const Oid> types);

/// Runs a plan that writes, and returns the number of rows that it has written. Settings that it
/// changes, as by a trigger, are undone. `values` and `nulls` are as for SPI_execute_plan().
/// `names` are those that it was prepared with. REQUIRES: SPI connected. Raises.
std::uint64_t execute_plan(SPIPlanPtr plan, Datum* values, const char* nulls, const Names& names);

/// The statement as it is planned now, until ReleaseCachedPlan() by CurrentResourceOwner; null
/// where the server keeps no plan of this kind. REQUIRES: as execute_plan(). Raises.
CachedPlan* planned(SPIPlanPtr plan, const Names& names);

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
