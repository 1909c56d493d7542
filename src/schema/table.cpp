#include "influx/schema/table.h"

#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/arbiter.h"
#include "influx/schema/membership.h"
#include "influx/schema/row_checks.h"

namespace influx::schema {

namespace {

/// Those that an INSERT may need, with ON CONFLICT and without.
constexpr AclMode kRights = ACL_SELECT | ACL_INSERT | ACL_UPDATE;

ColumnKind kind_of(Oid type) noexcept {
  switch (type) {
    case FLOAT8OID:
      return ColumnKind::kFloat8;
    case FLOAT4OID:
      return ColumnKind::kFloat4;
    case INT2OID:
      return ColumnKind::kInt2;
    case INT4OID:
      return ColumnKind::kInt4;
    case INT8OID:
      return ColumnKind::kInt8;
    case NUMERICOID:
      return ColumnKind::kNumeric;
    case BOOLOID:
      return ColumnKind::kBoolean;
    case TEXTOID:
    case VARCHAROID:
      return ColumnKind::kText;
    case JSONBOID:
      return ColumnKind::kJsonb;
    default:
      return ColumnKind::kOther;
  }
}

TimeKind time_kind_of(Oid type) noexcept {
  switch (type) {
    case TIMESTAMPTZOID:
      return TimeKind::kTimestamptz;
    case TIMESTAMPOID:
      return TimeKind::kTimestamp;
    case INT8OID:
      return TimeKind::kNanoseconds;
    default:
      return TimeKind::kUnsupported;
  }
}

}  // namespace

bool takes_rows(char relation_kind, const char** refusal) noexcept {
  switch (relation_kind) {
    case RELKIND_RELATION:
    case RELKIND_PARTITIONED_TABLE:
    case RELKIND_VIEW:
    case RELKIND_FOREIGN_TABLE:
      *refusal = nullptr;
      return true;
    case RELKIND_MATVIEW:
      *refusal = "it is a materialized view";
      return false;
    case RELKIND_INDEX:
    case RELKIND_PARTITIONED_INDEX:
      *refusal = "it is an index";
      return false;
    case RELKIND_SEQUENCE:
      *refusal = "it is a sequence";
      return false;
    case RELKIND_COMPOSITE_TYPE:
      *refusal = "it is a composite type";
      return false;
    default:
      *refusal = "it is not a table";
      return false;
  }
}

std::shared_ptr<Table> Table::describe(std::string_view measurement, Oid namespace_oid,
                                       Oid relation_oid, bool wait) {
  // The object is owned before the server is called; the guard turns an error of the server into an
  // exception, so that its destructor runs.
  auto table = std::shared_ptr<Table>(new Table);
  table->measurement = measurement;
  table->oid = relation_oid;
  Table* described = table.get();
  const bool found = postgres::guard([&] { return described->read_catalog(namespace_oid, wait); });
  return found ? table : nullptr;
}

bool Table::read_catalog(Oid namespace_oid, bool wait) {
  if (wait) {
    LockRelationOid(oid, AccessShareLock);
  } else if (!ConditionalLockRelationOid(oid, AccessShareLock)) {
    ereport(ERROR,
            (errcode(ERRCODE_LOCK_NOT_AVAILABLE), errmsg("could not obtain lock on table \"%s\"",
                                                         postgres::server_string(measurement))));
  }
  memory_ = AllocSetContextCreate(TopMemoryContext, "influx table", ALLOCSET_SMALL_SIZES);
  Relation relation = try_relation_open(oid, NoLock);
  if (relation == nullptr) {
    UnlockRelationOid(oid, AccessShareLock);
    return false;
  }
  const bool same_name = relation->rd_rel->relnamespace == namespace_oid &&
                         postgres::to_utf8(RelationGetRelationName(relation)) == measurement;
  kind = relation->rd_rel->relkind;
  dependencies.push_back(on_relation(oid));
  depend_on_schema(namespace_oid);
  if (same_name) {
    extension = kind == RELKIND_PARTITIONED_TABLE ? extension_of_all(oid) : extension_of(oid);
  }
  if (same_name && extension == InvalidOid && takes_rows(kind, &refusal)) {
    TupleDesc descriptor = RelationGetDescr(relation);
    const AclMode rights = pg_class_aclmask(oid, GetUserId(), kRights, ACLMASK_ALL);
    denied = (rights & ACL_INSERT) == 0 &&
             pg_attribute_aclcheck_all(oid, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK;
    width = static_cast<std::size_t>(descriptor->natts);
    columns.reserve(static_cast<std::size_t>(descriptor->natts));
    for (int i = 0; i < descriptor->natts; ++i) {
      const FormData_pg_attribute& attribute = *TupleDescAttr(descriptor, i);
      if (!attribute.attisdropped) describe_column(attribute, rights);
    }
    index_columns();
    find_special_columns();
    describe_arbiters(relation, *this, memory_, arbiters);
    is_rewritten = kind == RELKIND_VIEW || relation->rd_rules != nullptr;
    changes_rows = has_changing_trigger(relation);
    checks_rows = !arbiters.empty() && schema::checks_rows(relation);
  }
  relation_close(relation, AccessShareLock);
  return same_name;
}

Table::~Table() {
  if (memory_ != nullptr) MemoryContextDelete(memory_);
}

void Table::describe_column(const FormData_pg_attribute& attribute, AclMode rights) {
  Column& column = columns.emplace_back();
  column.name = postgres::to_utf8(NameStr(attribute.attname));
  column.number = attribute.attnum;
  column.type = getBaseType(attribute.atttypid);
  column.kind = kind_of(column.type);
  column.is_domain = column.type != attribute.atttypid;
  column.type_modifier = attribute.atttypmod;
  depend_on_type(attribute.atttypid);

  Oid input = InvalidOid;
  getTypeInputInfo(attribute.atttypid, &input, &column.io_parameter);
  fmgr_info_cxt(input, &column.input, memory_);

  // A view passes on what is left out to the table below, whose defaults we do not see.
  column.has_default = attribute.atthasdef || attribute.attidentity != '\0' ||
                       kind == RELKIND_VIEW || get_typdefault(attribute.atttypid) != nullptr;
  column.not_null = attribute.attnotnull;
  column.is_generated = attribute.attgenerated != '\0';
  column.rights = rights;
  for (const AclMode right : {ACL_SELECT, ACL_INSERT, ACL_UPDATE}) {
    if ((rights & right) == 0 &&
        pg_attribute_aclcheck(oid, attribute.attnum, GetUserId(), right) == ACLCHECK_OK) {
      column.rights |= right;
    }
  }
  if (column.is_generated) {
    column.refusal = "it is a generated column";
    column.refusal_sqlstate = ERRCODE_GENERATED_ALWAYS;
  } else if (attribute.attidentity == ATTRIBUTE_IDENTITY_ALWAYS) {
    column.refusal = "it is an identity column that is always generated";
    column.refusal_sqlstate = ERRCODE_GENERATED_ALWAYS;
  } else if ((column.rights & ACL_INSERT) == 0) {
    column.refusal = "permission to insert into it is denied";
    column.refusal_sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
  }
}

/// Its name is part of statements.
void Table::depend_on_schema(Oid namespace_oid) {
  const Dependency dependency =
      on_object(NAMESPACEOID, GetSysCacheHashValue1(NAMESPACEOID, ObjectIdGetDatum(namespace_oid)));
  if (std::find(dependencies.begin(), dependencies.end(), dependency) == dependencies.end()) {
    dependencies.push_back(dependency);
  }
}

/// A type's name is part of statements too, and a domain brings a default. Those of the server
/// itself never change.
void Table::depend_on_type(Oid type) {
  while (type >= FirstNormalObjectId) {
    HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
    if (!HeapTupleIsValid(tuple)) return;
    const auto* form = reinterpret_cast<Form_pg_type>(GETSTRUCT(tuple));
    const Oid schema = form->typnamespace;
    const Oid base = form->typbasetype;  // of a domain
    ReleaseSysCache(tuple);
    dependencies.push_back(
        on_object(TYPEOID, GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(type))));
    depend_on_schema(schema);
    type = base;
  }
}

void Table::index_columns() {
  by_name_.reserve(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    by_name_.emplace(columns[i].name, static_cast<ColumnIndex>(i));
  }
}

void Table::find_special_columns() {
  time_name = "_time";
  time = find(time_name);
  if (time == kNoColumn) {
    time_name = postgres::settings.time_column;
    time = find(time_name);
  }
  if (time != kNoColumn) time_kind = time_kind_of(column(time).type);

  const auto writable_jsonb = [this](std::string_view name) {
    const ColumnIndex index = find(name);
    const bool usable = index != kNoColumn && column(index).kind == ColumnKind::kJsonb &&
                        column(index).refusal == nullptr;
    return usable ? index : kNoColumn;
  };
  tags = writable_jsonb("_tags");
  fields = writable_jsonb("_fields");
}

ColumnIndex Table::find(std::string_view name, ColumnIndex hint) const noexcept {
  if (hint != kNoColumn && column(hint).name == name) return hint;
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? kNoColumn : found->second;
}

bool Table::reserves(std::string_view key) const noexcept {
  return key == time_name || key == "_time" || key == "_tags" || key == "_fields";
}

}  // namespace influx::schema
