#pragma once

#include "influx/schema/objection.h"

namespace influx::schema {

// Relations that are members of an extension: of ours or of any other. What stands in them is the
// extension's own (who listens where, which jobs are run), and not for senders to write.

/// The extension that `relation` is a member of, or else a table whose rows its rows are: one that
/// it is a partition of, or inherits from. InvalidOid where there is none. Looks into the catalog,
/// since nobody is told when ALTER EXTENSION makes a relation a member. REQUIRES: a transaction.
/// Raises.
Oid extension_of(Oid relation);

/// The same, for `relation` and those below it, its partitions and children.
Oid extension_of_all(Oid relation);

/// Why no line is stored in the relation of this name (of the server's encoding), and no column
/// added to it, which extension_of() has found to belong to `extension`. REQUIRES: a transaction.
/// Raises.
Objection objection_to_member(const char* relation, Oid extension);

/// The SQLSTATE of that, which nothing else of ours has.
inline constexpr int kMemberSqlstate = ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST;

}  // namespace influx::schema
