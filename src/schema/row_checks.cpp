#include "influx/schema/row_checks.h"

namespace influx::schema {

namespace {

bool indexes_check_rows(Relation relation) {
  List* indexes = RelationGetIndexList(relation);
  int unique = 0;
  bool found = false;
  const ListCell* cell = nullptr;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    const HeapTuple tuple = index->rd_indextuple;
    // One that is not valid refuses rows all the same.
    if (index->rd_index->indisunique) ++unique;
    found = found || index->rd_index->indisexclusion ||
            !heap_attisnull(tuple, Anum_pg_index_indexprs, nullptr) ||
            !heap_attisnull(tuple, Anum_pg_index_indpred, nullptr);
    index_close(index, AccessShareLock);
  }
  list_free(indexes);
  return found || unique > 1;
}

}  // namespace

bool has_changing_trigger(Relation relation) noexcept {
  return relation->trigdesc != nullptr && relation->trigdesc->trig_insert_before_row;
}

bool checks_rows(Relation relation) {
  const TupleConstr* constraints = RelationGetDescr(relation)->constr;
  if (constraints != nullptr && (constraints->num_check > 0 || constraints->has_generated_stored)) {
    return true;
  }
  return relation->trigdesc != nullptr ||
         check_enable_rls(RelationGetRelid(relation), InvalidOid, true) == RLS_ENABLED ||
         indexes_check_rows(relation);
}

}  // namespace influx::schema
