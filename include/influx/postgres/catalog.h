#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

// Reads of the catalog of relations past the server's caches, which keep an entry for each name
// that was asked for and is not there: names come from the network, and there is no end of them.
// All REQUIRE a transaction, and raise.

/// The relation of this name (of the server's encoding) in a schema, or InvalidOid.
Oid find_relation(const char* name, Oid namespace_oid);

/// Whether there is a relation of this OID.
bool relation_exists(Oid relation);

/// Whether the current transaction has made the relation, or the column of this name of it: its
/// row of the catalog is of this transaction. False where there is none.
bool made_relation(Oid relation);
bool made_column(Oid relation, const char* column);

/// The number of relations in a schema for which `counts` is true. Reads all of the catalog.
std::size_t count_relations(Oid namespace_oid, bool (*counts)(const FormData_pg_class& relation));

/// The same with what others have made, or dropped, and not committed: both count. What was there
/// all the time, and what this process has made, counts exactly once. `ours` becomes how many of
/// them the current transaction has made. Reads all of the catalog twice.
std::size_t count_relations_of_all(Oid namespace_oid,
                                   bool (*counts)(const FormData_pg_class& relation),
                                   std::size_t* ours);

/// The number of columns that a relation has, dropped ones among them, as this transaction sees it;
/// 0 where there is no such relation.
std::size_t width_of(Oid relation);

/// Whether a schema belongs to the server: `information_schema`, or one whose name begins with
/// `pg_`.
bool is_system_schema(const char* name);

}  // namespace influx::postgres
