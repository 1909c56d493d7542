#include "influx/postgres/spi.h"

#include "influx/postgres/compat.h"

namespace influx::postgres {

namespace {

/// A statement of ours that is being prepared or run.
struct Running {
  const char* sql;
  const Names* names;
  bool analysed;
  Running* around;  ///< a trigger of that one runs this one
};

// Of this process.
Running* running = nullptr;
post_parse_analyze_hook_type next_hook = nullptr;

/// Whether a relation other than that of the names is named anywhere below `node`.
bool names_another(Node* node, void* names) {
  if (node == nullptr) return false;
  if (!IsA(node, Query)) return any_in_expression(node, names_another, names);
  auto* query = reinterpret_cast<Query*>(node);
  const ListCell* cell = nullptr;
  foreach (cell, query->rtable) {
    const auto* entry = static_cast<const RangeTblEntry*>(lfirst(cell));
    if (entry->rtekind == RTE_RELATION &&
        entry->relid != static_cast<const Names*>(names)->relation) {
      return true;
    }
  }
  return any_in_query(query, names_another, names);
}

/// Whether the statement is SELECT of the function's result.
bool calls(const Query* query, Oid function) {
  if (list_length(query->targetList) != 1) return false;
  const Expr* result = static_cast<const TargetEntry*>(linitial(query->targetList))->expr;
  return IsA(result, FuncExpr) && reinterpret_cast<const FuncExpr*>(result)->funcid == function;
}

/// Whether the SELECT of the INSERT gives values of the types.
bool gives_rows(const Query* query, TupleDesc rows) {
  const ListCell* cell = nullptr;
  foreach (cell, query->rtable) {
    const auto* entry = static_cast<const RangeTblEntry*>(lfirst(cell));
    if (entry->rtekind != RTE_SUBQUERY) continue;
    if (list_length(entry->subquery->targetList) != rows->natts) return false;
    for (int i = 0; i < rows->natts; ++i) {
      const auto* target =
          static_cast<const TargetEntry*>(list_nth(entry->subquery->targetList, i));
      if (exprType(reinterpret_cast<const Node*>(target->expr)) !=
          TupleDescAttr(rows, i)->atttypid) {
        return false;
      }
    }
    return true;
  }
  return false;
}

/// Called by the server when it has analysed a statement, before rules and views are put in.
void check_names(ParseState* state, Query* query, JumbleState* jumble) {
  if (next_hook != nullptr) next_hook(state, query, jumble);
  if (running == nullptr || state->p_sourcetext == nullptr ||
      std::strcmp(state->p_sourcetext, running->sql) != 0) {
    return;
  }
  running->analysed = true;
  const Names& names = *running->names;
  if (names_another(reinterpret_cast<Node*>(query), const_cast<Names*>(&names)) ||
      (names.function != InvalidOid && !calls(query, names.function)) ||
      (names.rows != nullptr && !gives_rows(query, names.rows))) {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("the name of a table, a schema or a type has changed while it was used"),
                    errhint("Try again.")));
  }
}

void hook_analysis() noexcept {
  static bool hooked = false;
  if (hooked) return;
  next_hook = post_parse_analyze_hook;
  post_parse_analyze_hook = check_names;
  hooked = true;
}

/// Runs `call`, in which the server may analyse `sql`. Returns whether it did. A call of SPI leaves
/// the memory of its connection behind as the current one; what is made there later would be kept
/// as long as that, so the one before is put back.
template <typename Call>
bool with_names(const char* sql, const Names& names, Call&& call) {
  hook_analysis();
  MemoryContext before = CurrentMemoryContext;
  Running here{sql, &names, false, running};
  running = &here;
  PG_TRY();
  { call(); }
  PG_FINALLY();
  { running = here.around; }
  PG_END_TRY();
  MemoryContextSwitchTo(before);
  return here.analysed;
}

/// Somebody else's module may have taken the hook away.
void require_analysed(bool analysed) {
  if (!analysed) elog(ERROR, "the names of a statement could not be checked");
}

const char* text_of(SPIPlanPtr plan) {
  return static_cast<const CachedPlanSource*>(linitial(SPI_plan_get_plan_sources(plan)))
      ->query_string;
}

}  // namespace

SPIPlanPtr prepare_and_keep(const char* sql, int count, const Oid* types, const Names& names) {
  SPIPlanPtr plan = nullptr;
  // SPI only reads the types.
  require_analysed(
      with_names(sql, names, [&] { plan = SPI_prepare(sql, count, const_cast<Oid*>(types)); }));
  if (plan == nullptr) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
  SPI_keepplan(plan);
  return plan;
}

void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls, int expected,
             const Names& names) {
  int result = 0;
  require_analysed(with_names(sql, names, [&] {
    result = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
  }));
  if (result != expected) {
    elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
  }
}

void require_result_types(std::span<const Oid> types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    const int column = static_cast<int>(i) + 1;
    if (SPI_gettypeid(SPI_tuptable->tupdesc, column) == types[i]) continue;
    ereport(
        ERROR,
        (errcode(ERRCODE_DATATYPE_MISMATCH),
         errmsg("column \"%s\" of a table of extension influx is not what the extension has made",
                SPI_fname(SPI_tuptable->tupdesc, column)),
         errdetail("Its type is %s instead of %s.",
                   format_type_be(SPI_gettypeid(SPI_tuptable->tupdesc, column)),
                   format_type_be(types[i]))));
  }
}

std::uint64_t execute_plan(SPIPlanPtr plan, Datum* values, const char* nulls, const Names& names) {
  // What a trigger sets must not meet the triggers of the next table.
  const int nest_level = NewGUCNestLevel();
  int result = 0;
  with_names(text_of(plan), names,
             [&] { result = SPI_execute_plan(plan, values, nulls, false, 0); });
  if (result < 0) elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
  const std::uint64_t written = SPI_processed;
  AtEOXact_GUC(false, nest_level);
  return written;
}

void connect_with(const EphemeralNamedRelationData& relation) {
  SPI_connect();
  // In the memory of the connection, and so for as long as it.
  auto* known = static_cast<EphemeralNamedRelation>(palloc(sizeof(relation)));
  *known = relation;
  const int result = SPI_register_relation(known);
  if (result < 0) {
    elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(result));
  }
}

CachedPlan* planned(SPIPlanPtr plan, const Names& names) {
  CachedPlan* found = nullptr;
  with_names(text_of(plan), names, [&] { found = SPI_plan_get_cached_plan(plan); });
  return found;
}

}  // namespace influx::postgres
