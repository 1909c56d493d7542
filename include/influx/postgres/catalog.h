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

/// Whether a schema belongs to the server: `information_schema`, or one whose name begins with
/// `pg_`.
bool is_system_schema(const char* name);

}  // namespace influx::postgres
