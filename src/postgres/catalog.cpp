#include "influx/postgres/catalog.h"

extern "C" {
#include "access/genam.h"
#include "catalog/catalog.h"
#include "utils/fmgroids.h"
}

namespace influx::postgres {

Oid find_relation(const char* name, Oid namespace_oid) {
  NameData identifier;
  namestrcpy(&identifier, name);
  ScanKeyData keys[2];
  ScanKeyInit(&keys[0], Anum_pg_class_relname, BTEqualStrategyNumber, F_NAMEEQ,
              NameGetDatum(&identifier));
  ScanKeyInit(&keys[1], Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(namespace_oid));
  Relation catalog = table_open(RelationRelationId, AccessShareLock);
  SysScanDesc scan =
      systable_beginscan(catalog, ClassNameNspIndexId, true, nullptr, lengthof(keys), keys);
  HeapTuple tuple = systable_getnext(scan);
  const Oid found =
      HeapTupleIsValid(tuple) ? reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->oid : InvalidOid;
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return found;
}

bool relation_exists(Oid relation) {
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
  Relation catalog = table_open(RelationRelationId, AccessShareLock);
  SysScanDesc scan = systable_beginscan(catalog, ClassOidIndexId, true, nullptr, 1, &key);
  const bool exists = HeapTupleIsValid(systable_getnext(scan));
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return exists;
}

namespace {

/// Whether this transaction has written a row of the catalog. Lets go of the row.
bool is_of_this_transaction(HeapTuple tuple) {
  if (!HeapTupleIsValid(tuple)) return false;
  const bool is_ours =
      TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data));
  ReleaseSysCache(tuple);
  return is_ours;
}

}  // namespace

bool made_relation(Oid relation) {
  return is_of_this_transaction(SearchSysCache1(RELOID, ObjectIdGetDatum(relation)));
}

bool made_column(Oid relation, const char* column) {
  return is_of_this_transaction(SearchSysCacheAttName(relation, column));
}

std::size_t count_relations(Oid namespace_oid, bool (*counts)(const FormData_pg_class& relation)) {
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(namespace_oid));
  Relation catalog = table_open(RelationRelationId, AccessShareLock);
  // No index begins with the schema.
  SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, nullptr, 1, &key);
  std::size_t count = 0;
  for (;;) {
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple)) break;
    if (counts(*reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple)))) ++count;
  }
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
  return count;
}

bool is_system_schema(const char* name) {
  return IsReservedName(name) || std::strcmp(name, "information_schema") == 0;
}

}  // namespace influx::postgres
