#pragma once

#include "influx/schema/objection.h"

namespace influx::schema {

/// The function `_create(name, name[], name[])` by which a user makes the tables of a schema.
/// Plain data.
struct CreateFunction {
  Oid oid = InvalidOid;
  Oid owner = InvalidOid;

  bool exists() const noexcept { return oid != InvalidOid; }
};

/// Finds the function in a schema. The extension's own, which may stand there too, is passed over:
/// what it does is done without it. REQUIRES: a transaction. Raises.
CreateFunction find_create_function(Oid namespace_oid);

/// Whether the current role may run the function, as far as its owner is concerned: it would run as
/// this role, and whoever may create in the schema could have put it there. So the owner has to
/// have the rights of this role or those of the schema's owner. False with the reason in
/// `objection`. REQUIRES: a transaction. Raises.
bool is_trusted(const CreateFunction& function, Oid namespace_oid, Objection* objection);

}  // namespace influx::schema
