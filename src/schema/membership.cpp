#include "influx/schema/membership.h"

namespace influx::schema {

namespace {

/// The tables that `relation` is a partition of or inherits from directly, behind those of `list`.
List* append_parents(List* list, Relation inheritance, Oid relation) {
  ScanKeyData key;
  ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
              ObjectIdGetDatum(relation));
  SysScanDesc scan =
      systable_beginscan(inheritance, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
  for (;;) {
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple)) break;
    // Several ways may lead to one.
    list = list_append_unique_oid(list,
                                  reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple))->inhparent);
  }
  systable_endscan(scan);
  return list;
}

}  // namespace

Oid extension_of(Oid relation) {
  Relation inheritance = table_open(InheritsRelationId, AccessShareLock);
  List* relations = list_make1_oid(relation);
  Oid extension = InvalidOid;
  for (int i = 0; i < list_length(relations) && extension == InvalidOid; ++i) {
    CHECK_FOR_INTERRUPTS();
    extension = getExtensionOfObject(RelationRelationId, list_nth_oid(relations, i));
    relations = append_parents(relations, inheritance, list_nth_oid(relations, i));
  }
  list_free(relations);
  table_close(inheritance, AccessShareLock);
  return extension;
}

Oid extension_of_all(Oid relation) {
  Oid extension = extension_of(relation);
  if (extension != InvalidOid) return extension;
  List* below = find_all_inheritors(relation, NoLock, nullptr);
  const ListCell* cell = nullptr;
  foreach (cell, below) {
    CHECK_FOR_INTERRUPTS();
    extension = getExtensionOfObject(RelationRelationId, lfirst_oid(cell));
    if (extension != InvalidOid) break;
  }
  list_free(below);
  return extension;
}

Objection objection_to_member(const char* relation, Oid extension) {
  const char* name = get_extension_name(extension);
  Objection objection;
  objection.sqlstate = kMemberSqlstate;
  objection.message =
      psprintf("relation \"%s\" belongs to an extension, and is not for lines", relation);
  objection.detail = psprintf("What is stored there is the concern of extension \"%s\".",
                              name == nullptr ? "?" : name);
  objection.hint = "Store the points in a schema in which there are no objects of extensions.";
  return objection;
}

}  // namespace influx::schema
