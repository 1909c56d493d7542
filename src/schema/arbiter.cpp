#include "influx/schema/arbiter.h"

#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"

namespace influx::schema {

namespace {

using Absent = KeyColumn::Absent;

/// Whether a policy lets the role do `command` with some rows.
bool has_policy(Relation relation, char command) {
  if (relation->rd_rsdesc == nullptr) return false;
  const ListCell* cell = nullptr;
  foreach (cell, relation->rd_rsdesc->policies) {
    const auto& policy = *static_cast<const RowSecurityPolicy*>(lfirst(cell));
    if (!policy.permissive || (policy.polcmd != command && policy.polcmd != '*')) continue;
    const auto* roles = reinterpret_cast<const Oid*>(ARR_DATA_PTR(policy.roles));
    for (int i = 0; i < ARR_DIMS(policy.roles)[0]; ++i) {
      if (roles[i] == ACL_ID_PUBLIC || has_privs_of_role(GetUserId(), roles[i])) return true;
    }
  }
  return false;
}

/// Under row security the rows of an INSERT ... ON CONFLICT have to pass the policies for SELECT
/// too, and those that are there already the ones for UPDATE.
bool policies_allow_conflicts(Relation relation) {
  if (check_enable_rls(RelationGetRelid(relation), InvalidOid, true) != RLS_ENABLED) return true;
  return has_policy(relation, ACL_SELECT_CHR) &&
         (postgres::settings.on_conflict != postgres::kOnConflictMerge ||
          has_policy(relation, ACL_UPDATE_CHR));
}

/// The server refuses ON CONFLICT for a relation with such rules.
bool has_rules(Relation relation) noexcept {
  const RuleLock* rules = relation->rd_rules;
  for (int i = 0; rules != nullptr && i < rules->numLocks; ++i) {
    const CmdType event = rules->rules[i]->event;
    if (event == CMD_INSERT || event == CMD_UPDATE) return true;
  }
  return false;
}

/// A unique index over columns and all rows. Whether it is checked at once is not looked at here.
bool is_unique_key(Relation index) {
  const FormData_pg_index& form = *index->rd_index;
  if (!form.indisunique || form.indisexclusion || !form.indisvalid) return false;
  if (index->rd_rel->relam != BTREE_AM_OID) return false;
  for (int i = 0; i < form.indnkeyatts; ++i) {
    if (form.indkey.values[i] <= 0) return false;
  }
  return heap_attisnull(index->rd_indextuple, Anum_pg_index_indpred, nullptr);
}

/// Fills in what rows have in the column that bring no value for it.
void describe_absent(Relation relation, const Column& column, MemoryContext memory,
                     KeyColumn& key) {
  if (column.is_generated) {
    key.absent = Absent::kGenerated;
  } else if (column.has_default) {
    key.absent = Absent::kUnknown;
    Node* expression = build_column_default(relation, column.number);
    // A constraint of a domain does not make another value of it.
    while (expression != nullptr && IsA(expression, CoerceToDomain))
      expression = reinterpret_cast<Node*>(reinterpret_cast<CoerceToDomain*>(expression)->arg);
    if (expression == nullptr || contain_mutable_functions(expression)) return;
    expression = eval_const_expressions(nullptr, expression);
    if (!IsA(expression, Const)) return;
    const auto& value = *reinterpret_cast<const Const*>(expression);
    key.absent = value.constisnull ? Absent::kNull : Absent::kConstant;
    if (value.constisnull) return;
    key.constant = postgres::in_context(memory, [&] {
      return value.constlen == -1 ? PointerGetDatum(PG_DETOAST_DATUM_COPY(value.constvalue))
                                  : datumCopy(value.constvalue, value.constbyval, value.constlen);
    });
  }
}

/// The equality of the types that most keys are made of, by its function.
Equality equality_of(Oid function, Oid collation) {
  switch (function) {
    case F_TIMESTAMPTZ_EQ:
    case F_TIMESTAMP_EQ:
    case F_DATE_EQ:
    case F_INT8EQ:
    case F_INT4EQ:
    case F_INT2EQ:
    case F_BOOLEQ:
    case F_OIDEQ:
      return Equality::kWord;
    case F_TEXTEQ:
      return get_collation_isdeterministic(collation) ? Equality::kBytes : Equality::kFunction;
    default:
      return Equality::kFunction;
  }
}

/// Fills in how values of key column `i` of the index are compared, which need not be how the type
/// does it.
void describe_equality(Relation index, int i, MemoryContext memory, KeyColumn& key) {
  const Oid type = index->rd_opcintype[i];
  const Oid equal = get_opfamily_member(index->rd_opfamily[i], type, type, BTEqualStrategyNumber);
  if (!OidIsValid(equal)) elog(ERROR, "missing equality operator of index %u", index->rd_id);
  key.collation = index->rd_indcollation[i];
  key.equality = equality_of(get_opcode(equal), key.collation);
  if (key.equality != Equality::kFunction) return;
  const Oid order = get_opfamily_proc(index->rd_opfamily[i], type, type, BTORDER_PROC);
  if (!OidIsValid(order)) elog(ERROR, "missing support function of index %u", index->rd_id);
  fmgr_info_cxt(order, &key.order, memory);
}

ColumnIndex column_of(const Table& table, AttrNumber number) noexcept {
  const auto found =
      std::find_if(table.columns.begin(), table.columns.end(),
                   [number](const Column& column) { return column.number == number; });
  return static_cast<ColumnIndex>(found - table.columns.begin());
}

void describe_key(Relation relation, Relation index, const Table& table, MemoryContext memory,
                  Arbiter& arbiter) {
  const FormData_pg_index& form = *index->rd_index;
  arbiter.index = RelationGetRelid(index);
  arbiter.is_primary = form.indisprimary;
  arbiter.nulls_equal = form.indnullsnotdistinct;
  arbiter.columns.assign(table.columns.size(), false);
  for (int i = 0; i < form.indnkeyatts; ++i) {
    KeyColumn& key = arbiter.key.emplace_back();
    key.column = column_of(table, form.indkey.values[i]);
    arbiter.columns[static_cast<std::size_t>(key.column)] = true;
    const Column& column = table.column(key.column);
    describe_absent(relation, column, memory, key);
    describe_equality(index, i, memory, key);
  }
}

/// Whether the point brings all of the key, or it is known what takes the place of what it lacks.
bool is_known(const Arbiter& arbiter, std::span<const ColumnIndex> present) noexcept {
  return std::all_of(arbiter.key.begin(), arbiter.key.end(), [&](const KeyColumn& key) {
    return key.absent != Absent::kUnknown ||
           std::find(present.begin(), present.end(), key.column) != present.end();
  });
}

bool has_any(const Arbiter& arbiter, std::span<const ColumnIndex> columns) noexcept {
  return std::any_of(columns.begin(), columns.end(), [&](ColumnIndex column) {
    return column != kNoColumn && arbiter.has(column);
  });
}

bool may_use(const Table& table, const Arbiter& arbiter,
             std::span<const ColumnIndex> present) noexcept {
  const bool reads_key = std::all_of(
      arbiter.key.begin(), arbiter.key.end(),
      [&](const KeyColumn& key) { return (table.column(key.column).rights & ACL_SELECT) != 0; });
  if (!reads_key || postgres::settings.on_conflict != postgres::kOnConflictMerge) return reads_key;
  return std::all_of(present.begin(), present.end(), [&](ColumnIndex column) {
    return arbiter.has(column) || may_merge(table.column(column));
  });
}

}  // namespace

void describe_arbiters(Relation relation, const Table& table, MemoryContext memory,
                       std::vector<Arbiter>& arbiters) {
  const bool has_indexes =
      table.kind == RELKIND_RELATION || table.kind == RELKIND_PARTITIONED_TABLE;
  if (!has_indexes || table.time == kNoColumn || has_rules(relation) ||
      !policies_allow_conflicts(relation)) {
    return;
  }
  List* indexes = RelationGetIndexList(relation);
  // Keys that are checked later: an INSERT by the same columns would find them too, and refuse.
  List* deferred = NIL;
  const ListCell* cell = nullptr;
  foreach (cell, indexes) {
    Relation index = index_open(lfirst_oid(cell), AccessShareLock);
    if (is_unique_key(index)) {
      describe_key(relation, index, table, memory, arbiters.emplace_back());
      if (!index->rd_index->indimmediate) deferred = lappend_oid(deferred, lfirst_oid(cell));
      // What a field can be put into, or the time cannot, is no key of points.
      const Arbiter& arbiter = arbiters.back();
      if (!arbiter.has(table.time) || (table.fields != kNoColumn && arbiter.has(table.fields))) {
        arbiters.pop_back();
      }
    }
    index_close(index, AccessShareLock);
  }
  list_free(indexes);

  for (const Arbiter& late : arbiters) {
    if (!list_member_oid(deferred, late.index)) continue;
    for (Arbiter& arbiter : arbiters) {
      if (arbiter.columns == late.columns) arbiter.key.clear();
    }
  }
  std::erase_if(arbiters, [](const Arbiter& arbiter) { return arbiter.key.empty(); });
  std::sort(arbiters.begin(), arbiters.end(), [](const Arbiter& left, const Arbiter& right) {
    return std::tuple(!left.is_primary, left.key.size(), left.index) <
           std::tuple(!right.is_primary, right.key.size(), right.index);
  });
}

const Arbiter* choose_arbiter(const Table& table, std::span<const ColumnIndex> present,
                              std::span<const ColumnIndex> fields) noexcept {
  if (postgres::settings.on_conflict == postgres::kOnConflictError) return nullptr;
  for (const Arbiter& arbiter : table.arbiters) {
    if (!has_any(arbiter, fields) && is_known(arbiter, present) &&
        may_use(table, arbiter, present)) {
      return &arbiter;
    }
  }
  return nullptr;
}

bool may_merge(const Column& column) noexcept {
  constexpr AclMode kNeeded = ACL_SELECT | ACL_UPDATE;
  return (column.rights & kNeeded) == kNeeded;
}

}  // namespace influx::schema
