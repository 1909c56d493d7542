#include "influx/ingest/insert_plan.h"

#include "influx/ingest/conflict_clause.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/spi.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/membership.h"

namespace influx::ingest {

using schema::Column;
using schema::ColumnIndex;
using schema::Table;

namespace {

/// What a plan of the server takes, about.
constexpr std::size_t kBytesOfPlan = std::size_t{24} * 1024;
constexpr std::size_t kBytesOfColumn = 2400;

/// Arrays have a datum for each column of each row, NULL or not: so many go into one statement.
constexpr std::size_t kMostCells = std::size_t{1} << 20;

/// The name of the rows in the statement. An ephemeral relation hides a table of the same name.
constexpr const char* kRows = "influx_batch";

bool has_tuplestore_scan(const Plan* plan);

bool any_has_tuplestore_scan(const List* plans) {
  const ListCell* cell = nullptr;
  foreach (cell, plans) {
    if (has_tuplestore_scan(static_cast<const Plan*>(lfirst(cell)))) return true;
  }
  return false;
}

/// Whether the rows are read by this plan itself. A planner that sends the query elsewhere leaves
/// no such scan behind, and the execution would not find the tuplestore.
bool has_tuplestore_scan(const Plan* plan) {
  if (plan == nullptr) return false;
  switch (nodeTag(plan)) {
    case T_NamedTuplestoreScan:
      return true;
    case T_CustomScan:
      if (any_has_tuplestore_scan(reinterpret_cast<const CustomScan*>(plan)->custom_plans)) {
        return true;
      }
      break;
    case T_SubqueryScan:
      if (has_tuplestore_scan(reinterpret_cast<const SubqueryScan*>(plan)->subplan)) return true;
      break;
    case T_Append:
      if (any_has_tuplestore_scan(reinterpret_cast<const Append*>(plan)->appendplans)) return true;
      break;
    default:
      break;
  }
  return has_tuplestore_scan(plan->lefttree) || has_tuplestore_scan(plan->righttree);
}

/// Whether the statement, as it is planned now, reads the tuplestore.
bool reads_tuplestore(SPIPlanPtr plan, const postgres::Names& names) {
  CachedPlan* planned = postgres::planned(plan, names);
  if (planned == nullptr) return true;     // rewritten into several statements by a rule
  bool found = planned->stmt_list == NIL;  // a rule does nothing instead
  const ListCell* cell = nullptr;
  foreach (cell, planned->stmt_list) {
    const auto* statement = static_cast<const PlannedStmt*>(lfirst(cell));
    if (statement->commandType == CMD_UTILITY) continue;
    found = found || has_tuplestore_scan(statement->planTree) ||
            any_has_tuplestore_scan(statement->subplans);
  }
  ReleaseCachedPlan(planned, CurrentResourceOwner);
  return found;
}

/// Raises where the statement, as it is planned now, writes to a relation that belongs to an
/// extension: a view may lead there, or a rule.
void refuse_members(SPIPlanPtr plan, const postgres::Names& names) {
  CachedPlan* planned = postgres::planned(plan, names);
  if (planned == nullptr) elog(ERROR, "the plan of an INSERT cannot be looked at");
  const ListCell* each = nullptr;
  foreach (each, planned->stmt_list) {
    const auto* statement = static_cast<const PlannedStmt*>(lfirst(each));
    const ListCell* index = nullptr;
    foreach (index, statement->resultRelations) {
      const Oid relation = rt_fetch(lfirst_int(index), statement->rtable)->relid;
      const Oid extension = schema::extension_of_all(relation);
      if (extension == InvalidOid) continue;
      schema::objection_to_member(get_rel_name(relation), extension).raise();
    }
  }
  ReleaseCachedPlan(planned, CurrentResourceOwner);
}

}  // namespace

InsertPlan::InsertPlan(const Table& table, std::vector<ColumnIndex> columns,
                       const schema::Arbiter* arbiter)
    : columns_(std::move(columns)),
      slots_(table.columns.size(), -1),
      arbiter_(arbiter),
      merges_(postgres::settings.on_conflict == postgres::kOnConflictMerge),
      relation_(table.oid),
      is_rewritten_(table.is_rewritten) {
  const auto count = static_cast<int>(columns_.size());
  try {
    postgres::guard([&] { describe_rows(table); });
  } catch (...) {
    // There is no destructor for what was never made.
    if (memory_ != nullptr) MemoryContextDelete(memory_);
    throw;
  }
  for (int slot = 0; slot < count; ++slot) {
    const ColumnIndex index = columns_[static_cast<std::size_t>(slot)];
    slots_[static_cast<std::size_t>(index)] = static_cast<std::int16_t>(slot);
    if (table.column(index).has_default) ++columns_with_default_;
  }
  combines_ = arbiter_ != nullptr && merges_ && !table.checks_rows;
  for (int slot = 0; slot < count && combines_; ++slot) {
    const ColumnIndex index = columns_[static_cast<std::size_t>(slot)];
    if (arbiter_->has(index)) continue;
    const Column& column = table.column(index);
    // A value was checked when it was made. A domain may refuse NULL too.
    if (column.not_null || column.is_domain) required_.push_back(slot);
  }
}

/// Describes the rows. What it makes is in memory_, also where it raises.
void InsertPlan::describe_rows(const Table& table) {
  const auto count = static_cast<int>(columns_.size());
  memory_ = AllocSetContextCreate(TopMemoryContext, "influx plan", ALLOCSET_SMALL_SIZES);
  postgres::in_context(memory_, [&] { descriptor_ = CreateTemplateTupleDesc(count); });
  for (int slot = 0; slot < count; ++slot) {
    const Column& column = table.column(columns_[static_cast<std::size_t>(slot)]);
    // Without a type modifier: INSERT coerces to the column's own, and so enforces it.
    const char* name = postgres::server_string(column.name);
    TupleDescInitEntry(descriptor_, static_cast<AttrNumber>(slot + 1), name, column.type, -1, 0);
  }
  postgres::in_context(memory_, [&] {
    slot_ = MakeSingleTupleTableSlot(descriptor_, &TTSOpsMinimalTuple);
    if (arbiter_ == nullptr) return;
    StringInfoData clause;
    initStringInfo(&clause);
    append_conflict_clause(&clause, table, columns_, *arbiter_, merges_);
    conflict_clause_ = clause.data;
  });
}

InsertPlan::~InsertPlan() {
  release();
  if (memory_ != nullptr) MemoryContextDelete(memory_);
}

void InsertPlan::release() noexcept {
  source_ = Source::kNotPrepared;
  if (plan_ != nullptr) SPI_freeplan(std::exchange(plan_, nullptr));
}

bool InsertPlan::takes(const Table& table, std::span<const ColumnIndex> present) const noexcept {
  std::size_t with_default = 0;
  for (const ColumnIndex index : present) {
    if (slot_of(index) < 0) return false;
    if (table.column(index).has_default) ++with_default;
  }
  return with_default == columns_with_default_;
}

bool InsertPlan::stands_for(const Table& table, const InsertPlan& other) const noexcept {
  return arbiter_ == other.arbiter_ && merges_ == other.merges_ && takes(table, other.columns_);
}

bool InsertPlan::may_combine() const noexcept {
  return combines_ && std::none_of(required_.begin(), required_.end(),
                                   [this](int slot) { return slot_attisnull(slot_, slot + 1); });
}

std::uint64_t InsertPlan::insert(Tuplestorestate* rows, std::size_t count) {
  if (source_ == Source::kNotPrepared) prepare(relation_);
  return source_ == Source::kTuplestore ? insert_from_tuplestore(rows, count)
                                        : insert_from_arrays(rows, count);
}

/// Writes the statement up to its SELECT.
void InsertPlan::append_insert(StringInfo sql, Oid relation) {
  appendStringInfoString(sql, "INSERT INTO ");
  postgres::append_qualified(sql, postgres::schema_name(get_rel_namespace(relation)),
                             get_rel_name(relation));
  if (arbiter_ != nullptr) appendStringInfo(sql, " AS %s", kConflictTarget);
  for (int i = 0; i < descriptor_->natts; ++i) {
    appendStringInfoString(sql, i == 0 ? " (" : ", ");
    postgres::append_identifier(sql, NameStr(TupleDescAttr(descriptor_, i)->attname));
  }
  appendStringInfoString(sql, ") SELECT ");
}

void InsertPlan::prepare(Oid relation) {
  // The server plans for all columns of the table, whatever the statement names.
  bytes_prepared_ += kBytesOfPlan + kBytesOfColumn * slots_.size();
  // An error may have come between a plan and the answer where its rows are to come from.
  release();
  if (postgres::settings.row_source == postgres::kRowSourceAuto) {
    prepare_tuplestore(relation);
    if (source_ == Source::kTuplestore) return;
    release();
  }
  prepare_arrays(relation);
}

void InsertPlan::prepare_tuplestore(Oid relation) {
  StringInfoData sql;
  initStringInfo(&sql);
  append_insert(&sql, relation);
  for (int i = 0; i < descriptor_->natts; ++i) {
    if (i > 0) appendStringInfoString(&sql, ", ");
    postgres::append_identifier(&sql, NameStr(TupleDescAttr(descriptor_, i)->attname));
  }
  appendStringInfo(&sql, " FROM %s%s", kRows, conflict_clause_);

  postgres::with_relation(relation_of(nullptr, 0), [&] {
    plan_ = postgres::prepare_and_keep(sql.data, 0, nullptr, names());
    source_ = reads_tuplestore(plan_, names()) ? Source::kTuplestore : Source::kArrays;
  });
}

void InsertPlan::prepare_arrays(Oid relation) {
  StringInfoData sql;
  initStringInfo(&sql);
  append_insert(&sql, relation);

  StringInfoData arguments;
  initStringInfo(&arguments);
  const int count = descriptor_->natts;
  auto* types = static_cast<Oid*>(palloc(sizeof(Oid) * static_cast<std::size_t>(count)));
  as_text_.assign(static_cast<std::size_t>(count), false);
  for (int i = 0; i < count; ++i) {
    const Oid type = TupleDescAttr(descriptor_, i)->atttypid;
    types[i] = get_array_type(type);
    // unnest() would take an array of arrays, or of rows, further apart than we put it together.
    const bool as_text =
        types[i] == InvalidOid || get_element_type(type) != InvalidOid || type_is_rowtype(type);
    as_text_[static_cast<std::size_t>(i)] = as_text;
    appendStringInfo(&sql, "%sc%d", i == 0 ? "" : ", ", i + 1);
    if (as_text) {
      types[i] = TEXTARRAYOID;
      appendStringInfo(&sql, "::%s", format_type_be_qualified(type));
    }
    // Side by side, one function each: unnest() of several arrays has no qualified name.
    appendStringInfo(&arguments, "%spg_catalog.unnest($%d)", i == 0 ? "" : ", ", i + 1);
  }
  appendStringInfo(&sql, " FROM ROWS FROM (%s) AS %s (", arguments.data, kRows);
  for (int i = 0; i < count; ++i)
    appendStringInfo(&sql, "%sc%d", i == 0 ? "" : ", ", i + 1);
  appendStringInfo(&sql, ")%s", conflict_clause_);

  plan_ = postgres::prepare_and_keep(sql.data, count, types, names());
  source_ = Source::kArrays;
}

/// `rows` under the name that the statement uses.
EphemeralNamedRelationData InsertPlan::relation_of(Tuplestorestate* rows, std::size_t count) {
  EphemeralNamedRelationData relation{};
  relation.md.name = const_cast<char*>(kRows);  // it is only read
  relation.md.reliddesc = InvalidOid;
  relation.md.tupdesc = descriptor_;
  relation.md.enrtype = ENR_NAMED_TUPLESTORE;
  relation.md.enrtuples = static_cast<double>(count);
  relation.reldata = rows;
  return relation;
}

std::uint64_t InsertPlan::insert_from_tuplestore(Tuplestorestate* rows, std::size_t count) {
  std::uint64_t written = 0;
  postgres::with_relation(relation_of(rows, count), [&] { written = execute(nullptr); });
  return written;
}

std::uint64_t InsertPlan::execute(Datum* values) {
  if (is_rewritten_) refuse_members(plan_, names());
  return postgres::execute_plan(plan_, values, nullptr, names());
}

std::uint64_t InsertPlan::insert_from_arrays(Tuplestorestate* rows, std::size_t count) {
  const std::size_t most = std::max<std::size_t>(1, kMostCells / columns_.size());
  std::uint64_t written = 0;
  tuplestore_rescan(rows);
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx arrays", ALLOCSET_DEFAULT_SIZES);
  for (std::size_t done = 0; done < count; done += most) {
    postgres::in_context(memory,
                         [&] { written += insert_arrays(rows, std::min(most, count - done)); });
    MemoryContextReset(memory);
  }
  MemoryContextDelete(memory);
  return written;
}

/// Inserts the next `count` rows, of which there are as many.
std::uint64_t InsertPlan::insert_arrays(Tuplestorestate* rows, std::size_t count) {
  const int columns = descriptor_->natts;
  const auto width = static_cast<std::size_t>(columns);
  // One palloc'd run of datums and of null flags for each column.
  auto* values =
      static_cast<Datum*>(palloc_extended(sizeof(Datum) * width * count, MCXT_ALLOC_HUGE));
  auto* nulls = static_cast<bool*>(palloc_extended(sizeof(bool) * width * count, MCXT_ALLOC_HUGE));

  for (std::size_t row = 0; row < count && tuplestore_gettupleslot(rows, true, false, slot_);
       ++row) {
    slot_getallattrs(slot_);
    for (int i = 0; i < columns; ++i) {
      const std::size_t cell = static_cast<std::size_t>(i) * count + row;
      const Form_pg_attribute attribute = TupleDescAttr(descriptor_, i);
      nulls[cell] = slot_->tts_isnull[i];
      if (nulls[cell]) continue;
      if (travels_as_text(i)) {
        Oid output = InvalidOid;
        bool is_varlena = false;
        getTypeOutputInfo(attribute->atttypid, &output, &is_varlena);
        const char* text = OidOutputFunctionCall(output, slot_->tts_values[i]);
        values[cell] = CStringGetTextDatum(text);
      } else {
        values[cell] = datumCopy(slot_->tts_values[i], attribute->attbyval, attribute->attlen);
      }
    }
  }
  ExecClearTuple(slot_);

  auto* arguments = static_cast<Datum*>(palloc(sizeof(Datum) * width));
  int dimensions[] = {static_cast<int>(count)};
  int lower_bounds[] = {1};
  for (int i = 0; i < columns; ++i) {
    const std::size_t first = static_cast<std::size_t>(i) * count;
    const Oid type = travels_as_text(i) ? TEXTOID : TupleDescAttr(descriptor_, i)->atttypid;
    int16 length = 0;
    bool by_value = false;
    char alignment = 0;
    get_typlenbyvalalign(type, &length, &by_value, &alignment);
    arguments[i] =
        PointerGetDatum(construct_md_array(values + first, nulls + first, 1, dimensions,
                                           lower_bounds, type, length, by_value, alignment));
  }
  return execute(arguments);
}

}  // namespace influx::ingest
