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

namespace {

/// Calls `take` with the row of each relation of a schema that `snapshot` shows; null for the
/// catalog's own.
template <typename Take>
void scan_relations(Oid namespace_oid, Snapshot snapshot, Take&& take) {
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_class_relnamespace, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(namespace_oid));
  Relation catalog = table_open(RelationRelationId, AccessShareLock);
  // No index begins with the schema.
  SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, snapshot, 1, &key);
  for (;;) {
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple)) break;
    take(tuple, *reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple)));
  }
  systable_endscan(scan);
  table_close(catalog, AccessShareLock);
}

}  // namespace

std::size_t count_relations(Oid namespace_oid, bool (*counts)(const FormData_pg_class& relation)) {
  std::size_t count = 0;
  scan_relations(namespace_oid, nullptr, [&](HeapTuple, const FormData_pg_class& relation) {
    if (counts(relation)) ++count;
  });
  return count;
}

std::size_t count_relations_of_all(Oid namespace_oid,
                                   bool (*counts)(const FormData_pg_class& relation),
                                   std::size_t* ours) {
  constexpr std::size_t kFirstRoom = 1024;
  std::size_t room = kFirstRoom;
  std::size_t found = 0;
  Oid* oids = static_cast<Oid*>(palloc(room * sizeof(Oid)));
  *ours = 0;
  const auto add = [&](const FormData_pg_class& relation) {
    if (found == room) {
      room *= 2;
      oids = static_cast<Oid*>(repalloc_huge(oids, room * sizeof(Oid)));
    }
    oids[found++] = relation.oid;
  };
  // A row that is being changed is seen in both forms, or, where it moves behind the scan, in none:
  // the first scan has seen it.
  scan_relations(namespace_oid, nullptr, [&](HeapTuple tuple, const FormData_pg_class& relation) {
    if (!counts(relation)) return;
    add(relation);
    if (TransactionIdIsCurrentTransactionId(HeapTupleHeaderGetRawXmin(tuple->t_data))) ++*ours;
  });
  SnapshotData dirty;
  InitDirtySnapshot(dirty);
  scan_relations(namespace_oid, &dirty, [&](HeapTuple, const FormData_pg_class& relation) {
    if (counts(relation)) add(relation);
  });
  std::sort(oids, oids + found);
  const auto count = static_cast<std::size_t>(std::unique(oids, oids + found) - oids);
  pfree(oids);
  return count;
}

std::size_t width_of(Oid relation) {
  HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
  if (!HeapTupleIsValid(tuple)) return 0;
  const int16 width = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relnatts;
  ReleaseSysCache(tuple);
  return static_cast<std::size_t>(width);
}

bool is_system_schema(const char* name) {
  return IsReservedName(name) || std::strcmp(name, "information_schema") == 0;
}

}  // namespace influx::postgres
