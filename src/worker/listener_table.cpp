#include "influx/worker/listener_table.h"

#include "influx/schema/own_relation.h"

namespace influx::worker {

namespace {

/// A column of the table, where it is in its rows. Plain data.
struct Column {
  AttrNumber number;
  Oid type;
};

[[noreturn]] void raise_unknown(const char* column) {
  ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                  errmsg("column \"%s\" of table \"%s\" is not what extension influx has made",
                         column, kListenerTable)));
  pg_unreachable();
}

Column find_column(TupleDesc descriptor, const char* name) {
  for (int i = 0; i < descriptor->natts; ++i) {
    const auto* attribute = TupleDescAttr(descriptor, i);
    if (!attribute->attisdropped && std::strcmp(NameStr(attribute->attname), name) == 0)
      return {attribute->attnum, attribute->atttypid};
  }
  raise_unknown(name);
}

/// A value of one of the types that the table has, as the type's output function would show it;
/// nullptr for NULL.
const char* text_of(HeapTuple row, TupleDesc descriptor, const char* name) {
  const Column column = find_column(descriptor, name);
  bool is_null = false;
  const Datum value = heap_getattr(row, column.number, descriptor, &is_null);
  if (is_null) return nullptr;
  switch (column.type) {
    case NAMEOID:
      return pstrdup(NameStr(*DatumGetName(value)));
    case TEXTOID:
      return TextDatumGetCString(value);
    case INT4OID:
      return psprintf("%d", DatumGetInt32(value));
    case BOOLOID:
      return DatumGetBool(value) ? "t" : "f";
    default:
      raise_unknown(name);
  }
}

/// The same for a column that is NOT NULL.
const char* value_of(HeapTuple row, TupleDesc descriptor, const char* name) {
  const char* value = text_of(row, descriptor, name);
  if (value == nullptr) raise_unknown(name);
  return value;
}

ListenerRow read_row(HeapTuple tuple, TupleDesc descriptor) {
  ListenerRow row{};
  row.name = value_of(tuple, descriptor, "name");
  row.schema = value_of(tuple, descriptor, "schema");
  row.role = value_of(tuple, descriptor, "role");
  row.service = value_of(tuple, descriptor, "service");
  row.precision = value_of(tuple, descriptor, "precision");
  row.workers = pg_strtoint32(value_of(tuple, descriptor, "workers"));
  row.enabled = *value_of(tuple, descriptor, "enabled") == 't';
  for (std::size_t i = 0; i < lengthof(kOverrides); ++i)
    row.overrides[i] = text_of(tuple, descriptor, kOverrides[i].column);
  return row;
}

/// Reads the rows of `relation`, which is locked.
void read_rows(Relation relation, ListenerSink* sink) {
  TupleDesc descriptor = RelationGetDescr(relation);
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx listener", ALLOCSET_DEFAULT_SIZES);
  SysScanDesc scan =
      systable_beginscan(relation, InvalidOid, false, GetActiveSnapshot(), 0, nullptr);
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    HeapTuple tuple = systable_getnext(scan);
    if (!HeapTupleIsValid(tuple)) break;
    MemoryContext before = MemoryContextSwitchTo(memory);
    const char* name = value_of(tuple, descriptor, "name");
    const bool enabled = *value_of(tuple, descriptor, "enabled") == 't';
    if (sink->wants(name, enabled))
      sink->take(read_row(tuple, descriptor), relation->rd_rel->relowner);
    MemoryContextSwitchTo(before);
    MemoryContextReset(memory);
  }
  systable_endscan(scan);
  MemoryContextDelete(memory);
}

}  // namespace

std::uint64_t ListenerRow::overrides_hash() const noexcept {
  std::uint64_t hash = 0;
  for (const char* value : overrides) {
    // An empty text is another thing than none.
    const auto length = value == nullptr ? 0 : static_cast<int>(std::strlen(value)) + 1;
    hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(value), length, hash + 1);
  }
  return hash;
}

bool read_listener_table(bool wait, ListenerSink* sink) {
  const Oid oid = schema::own_relation(kListenerTable);
  if (oid == InvalidOid) return true;
  if (wait) {
    LockRelationOid(oid, AccessShareLock);
  } else if (!ConditionalLockRelationOid(oid, AccessShareLock)) {
    return false;
  }
  Relation relation = try_relation_open(oid, NoLock);
  if (relation == nullptr) return true;  // dropped meanwhile
  if (relation->rd_rel->relkind != RELKIND_RELATION) {
    ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
                    errmsg("\"%s\" is not a table any more", kListenerTable)));
  }
  read_rows(relation, sink);
  relation_close(relation, AccessShareLock);
  return true;
}

}  // namespace influx::worker
