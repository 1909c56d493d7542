#include "influx/schema/own_relation.h"

namespace influx::schema {

Oid own_relation(const char* name) {
  const Oid extension = get_extension_oid("influx", true);
  if (extension == InvalidOid) return InvalidOid;

  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(ExtensionRelationId));
  ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(extension));
  Relation depend = table_open(DependRelationId, AccessShareLock);
  SysScanDesc scan =
      systable_beginscan(depend, DependReferenceIndexId, true, nullptr, lengthof(keys), keys);
  Oid found = InvalidOid;
  while (found == InvalidOid) {
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple)) break;
    const auto* member = reinterpret_cast<Form_pg_depend>(GETSTRUCT(tuple));
    if (member->classid != RelationRelationId || member->deptype != DEPENDENCY_EXTENSION) continue;
    const char* member_name = get_rel_name(member->objid);
    if (member_name != nullptr && std::strcmp(member_name, name) == 0) found = member->objid;
  }
  systable_endscan(scan);
  table_close(depend, AccessShareLock);
  return found;
}

}  // namespace influx::schema
