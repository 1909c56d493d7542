#include "influx/ingest/ingestor.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/names.h"

namespace influx::ingest {

using line_protocol::Parser;
using line_protocol::Precision;
using schema::ColumnIndex;
using schema::Extension;
using schema::Table;

namespace {

/// How often a line may wait for its table to be made or extended before it is refused: somebody
/// else may drop in between what was made.
constexpr int kMostRounds = 8;

/// What was refused once is not tried again at once: a sender repeats its lines, and each attempt
/// at a table takes a lock.
constexpr int kRememberRefusalMs = 1000;
constexpr std::size_t kMostRememberedRefusals = 1000;

constexpr int kAttempts = 5;

/// Errors of the moment: nothing is wrong with the rows, and trying again may help.
bool is_transient(int sqlstate) noexcept {
  const int category = ERRCODE_TO_CATEGORY(sqlstate);
  return category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
         category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
         sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_QUERY_CANCELED;
}

/// Whether the needs of one more line can be met together with those of the lines before. Else it
/// is looked at again when those have been met.
bool may_merge(const Extension& extension, const Extension& needs) noexcept {
  const std::size_t width = extension.width + extension.columns.size() + needs.columns.size();
  return width <= MaxHeapAttributeNumber && (!extension.create || postgres::settings.auto_extend);
}

}  // namespace

Ingestor::Ingestor(Oid namespace_oid, Precision precision, RefusalHandler& refusals,
                   TransactionControl& transactions)
    : refusals_(refusals),
      transactions_(transactions),
      parser_(precision),
      tables_(namespace_oid),
      extender_(namespace_oid) {
  postgres::guard([&] {
    memory_ = AllocSetContextCreate(TopMemoryContext, "influx ingest", ALLOCSET_SMALL_SIZES);
    // Rows come and go together, and many are of a size that other contexts would round up.
    batch_memory_ = GenerationContextCreate(memory_, "influx batch", ALLOCSET_DEFAULT_SIZES);
    row_memory_ = AllocSetContextCreate(memory_, "influx row", ALLOCSET_DEFAULT_SIZES);
  });
}

Ingestor::~Ingestor() {
  open_groups_.clear();
  groups_.clear();
  MemoryContextDelete(memory_);
}

void Ingestor::add(std::string_view text, const Origin& origin) {
  const auto origin_index = static_cast<std::uint32_t>(origins_.size());
  origins_.push_back(origin);
  parser_.reset(text);
  while (!map_lines(1, origin_index)) {
  }
}

/// Maps the lines of the parser up to its end, or to one that is an error of the server. That one
/// costs the line, where the transaction is ours; false says that there may be more lines.
/// `first_number` is that of the first line in its origin.
bool Ingestor::map_lines(std::uint32_t first_number, std::uint32_t origin) {
  Line line;
  ErrorData* report = nullptr;
  try {
    postgres::guard([&] {
      postgres::in_context(row_memory_, [&] {
        for (;;) {
          const Parser::Result result = parser_.next();
          if (result == Parser::Result::kEnd) return;
          ++lines_;
          line = {parser_.line(),
                  first_number + static_cast<std::uint32_t>(parser_.line_number()) - 1, origin};
          MemoryContextReset(row_memory_);
          if (result == Parser::Result::kError) {
            refuse(line, refusal_of(parser_.error()));
          } else {
            map_point(line);
          }
        }
      });
    });
    return true;
  } catch (const postgres::ServerError& error) {
    report = error.release();
  }
  recover(report);
  refuse(line, refusal_of(*report));
  postgres::free_report(report);
  return false;
}

void Ingestor::map_point(const Line& line) {
  const line_protocol::Point& point = parser_.point();
  if (append_by_template(point, line)) return;
  if (!schema::fits_name(point.measurement)) {
    Refusal refusal;
    refusal.sqlstate = ERRCODE_NAME_TOO_LONG;
    refusal.message = "measurement name is too long for a table";
    refusal.detail = psprintf("A name has at most %d bytes.", NAMEDATALEN - 1);
    return refuse(line, refusal);
  }
  const std::shared_ptr<Table>& table = tables_.find(point.measurement);
  if (table == nullptr && !postgres::settings.auto_create) {
    Refusal refusal;
    refusal.sqlstate = ERRCODE_UNDEFINED_TABLE;
    refusal.message = psprintf("table \"%s\" does not exist, and influx.auto_create is off",
                               postgres::server_string(point.measurement));
    return refuse(line, refusal);
  }

  const std::int64_t received_ns = origins_[line.origin].received_ns;
  const RowMapper::Result result = table != nullptr
                                       ? mapper_.map(*table, point, received_ns)
                                       : mapper_.map_missing(point, extender_.has_own_create());
  switch (result) {
    case RowMapper::Result::kRefused:
      refuse(line, mapper_.refusal());
      break;
    case RowMapper::Result::kNeedsExtension:
      defer(line, point.measurement, table.get());
      break;
    case RowMapper::Result::kRow:
      // Behind a line that waits, the lines of its table wait too: their order is kept.
      if (extensions_.find(point.measurement) != extensions_.end()) {
        deferred_.push_back(line);
        ++pending_;
      } else {
        add_row(table, line);
      }
      break;
  }
}

/// Makes the row of a point of a series that is known already. False where that is for the mapper
/// to do.
bool Ingestor::append_by_template(const line_protocol::Point& point, const Line& line) {
  const RowTemplates::Template known = templates_.find(point);
  if (known.shape == nullptr || !extensions_.empty()) return false;
  RowShape& shape = *known.shape;
  if (!shape.table()->current || shape.plans_made != plans_.made()) return false;

  const std::int64_t received_ns = origins_[line.origin].received_ns;
  MinimalTuple row = shape.fill(point, known.constants, received_ns, row_buffer_);
  if (row == nullptr) return false;
  if (shape.batch != batch_ || shape.group->state != RowGroup::State::kMapped) {
    shape.group = &group_for(shape.table(), shape.plan());
    shape.batch = batch_;
  }
  shape.group->append(row, line);
  ++pending_;
  return true;
}

/// Makes the row of the point that was just mapped.
void Ingestor::add_row(const std::shared_ptr<Table>& table, const Line& line) {
  // A reference: an error of the server further down runs no destructor.
  const std::shared_ptr<InsertPlan>& plan = plans_.find(table, mapper_.present());
  const std::size_t width = plan->columns().size();
  if (nulls_size_ < width) {
    nulls_ = std::make_unique<bool[]>(width);
    nulls_size_ = width;
    values_.resize(width);
  }
  std::fill_n(nulls_.get(), width, true);
  for (const ColumnIndex column : mapper_.present()) {
    const auto slot = static_cast<std::size_t>(plan->slot_of(column));
    values_[slot] = mapper_.value_of(column);
    nulls_[slot] = false;
  }
  MinimalTuple tuple =
      postgres::form_minimal_tuple(plan->descriptor(), values_.data(), nulls_.get());
  const MappedRow row{values_.data(), nulls_.get(), tuple};
  templates_.learn(parser_.point(), mapper_, row, table, plan, plans_.made());
  RowGroup& group = group_for(table, plan);
  group.append(tuple, line);
  ++pending_;
}

/// The group of the batch that takes rows for `plan`.
RowGroup& Ingestor::group_for(const std::shared_ptr<const Table>& table,
                              const std::shared_ptr<InsertPlan>& plan) {
  RowGroup*& open = open_groups_[plan.get()];
  if (open != nullptr && open->state == RowGroup::State::kMapped) return *open;
  groups_.push_back(std::make_unique<RowGroup>(table, plan, batch_memory_));
  return *(open = groups_.back().get());
}

/// Puts a line off until its table has been made or extended.
void Ingestor::defer(const Line& line, std::string_view measurement, const Table* table) {
  const auto refused = refused_extensions_.find(measurement);
  if (refused != refused_extensions_.end()) {
    if (GetCurrentTimestamp() < refused->second.until) {
      Refusal refusal;
      refusal.sqlstate = refused->second.sqlstate;
      refusal.message = refused->second.message.c_str();
      if (!refused->second.detail.empty()) refusal.detail = refused->second.detail.c_str();
      if (!refused->second.hint.empty()) refusal.hint = refused->second.hint.c_str();
      return refuse(line, refusal);
    }
    refused_extensions_.erase(refused);
  }
  const auto [entry, is_new] = extensions_.try_emplace(std::string(measurement));
  Extension& extension = entry->second;
  if (is_new) {
    extension.measurement = measurement;
    extension.create = table == nullptr;
    extension.width = table == nullptr ? 1 : table->width;
    extension.merge(mapper_.needs());
  } else if (may_merge(extension, mapper_.needs())) {
    extension.merge(mapper_.needs());
  }
  deferred_.push_back(line);
  ++pending_;
}

void Ingestor::refuse(const Line& line, const Refusal& refusal) {
  refusals_.refuse(line, origins_[line.origin], refusal);
}

std::size_t Ingestor::store() {
  stored_ = 0;
  settle();
  for (int attempt = 1; !write(Mode::kTogether); ++attempt) {
    if (!is_transient(write_error_) || attempt == kAttempts) {
      if (!write(Mode::kApart)) refuse_rows();
      break;
    }
    ++retries_;
  }
  pending_ = 0;
  return stored_;
}

/// Makes tables and columns until no line waits for one.
void Ingestor::settle() {
  for (int round = 0; !deferred_.empty(); ++round) {
    if (round == kMostRounds) {
      refuse_deferred();
      return;
    }
    if (!extensions_.empty()) extend_all();
    map_deferred();
  }
}

void Ingestor::extend_all() {
  for (const auto& entry : extensions_) {
    const Extension& extension = entry.second;
    next_transaction();
    MemoryContextReset(row_memory_);
    ErrorData* error =
        postgres::in_context(row_memory_, [&] { return extender_.extend(extension); });
    if (error == nullptr) continue;
    if (refused_extensions_.size() >= kMostRememberedRefusals) refused_extensions_.clear();
    RememberedRefusal& refused = refused_extensions_[extension.measurement];
    refused.sqlstate = error->sqlerrcode;
    refused.message = error->message;
    refused.detail = error->detail == nullptr ? "" : error->detail;
    refused.hint = error->hint == nullptr ? "" : error->hint;
    refused.until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kRememberRefusalMs);
  }
  next_transaction();
  extensions_.clear();
}

void Ingestor::map_deferred() {
  std::vector<Line> lines;
  lines.swap(deferred_);
  pending_ -= lines.size();
  lines_ -= lines.size();
  for (const Line& line : lines) {
    parser_.reset(line.text);
    map_lines(line.number, line.origin);
  }
}

/// Refuses the lines whose table does not come to rest.
void Ingestor::refuse_deferred() {
  Refusal refusal;
  refusal.sqlstate = ERRCODE_OBJECT_IN_USE;
  refusal.message = "the table changes while its rows are written";
  for (const Line& line : deferred_)
    refuse(line, refusal);
  deferred_.clear();
  extensions_.clear();
}

/// Writes all rows and commits. False where an error stands against it, which has been rolled back.
bool Ingestor::write(Mode mode) {
  ErrorData* report = nullptr;
  try {
    postgres::guard([&] {
      postgres::in_context(batch_memory_, [&] { write_groups(mode); });
      transactions_.commit();
    });
    stored_ += commit_states();
    return true;
  } catch (const postgres::ServerError& error) {
    report = error.release();
  }
  recover(report);
  write_error_ = report->sqlerrcode;
  write_message_ = report->message;
  postgres::free_report(report);
  return false;
}

void Ingestor::write_groups(Mode mode) {
  for (int round = 0; round < kMostRounds; ++round) {
    // A deferred constraint would refuse the whole batch when it commits.
    if (mode == Mode::kApart) SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
    // settle() below may add groups, so these are counted anew each time.
    for (std::size_t i = 0; i < groups_.size(); ++i) {
      RowGroup& group = *groups_[i];
      if (group.state != RowGroup::State::kMapped || !table_is_current(group)) continue;
      if (mode == Mode::kTogether) {
        group.insert();
      } else {
        write_rows(group, 0, group.lines().size());
      }
      group.state = RowGroup::State::kWritten;
    }
    if (deferred_.empty()) return;
    settle();
  }
  refuse_deferred();
}

/// Takes the lock that the INSERT needs, which also tells of changes. Where the table is not any
/// more what its rows were made for, they are put back to be mapped anew.
bool Ingestor::table_is_current(RowGroup& group) {
  LockRelationOid(group.table().oid, RowExclusiveLock);
  if (group.table().current) return true;
  UnlockRelationOid(group.table().oid, RowExclusiveLock);
  for (std::size_t row = 0; row < group.lines().size(); ++row) {
    if (!group.refused(row)) deferred_.push_back(group.lines()[row]);
  }
  group.state = RowGroup::State::kCommitted;
  return false;
}

/// Writes the rows so that each that its table refuses costs itself only: a part of them that is
/// refused is halved.
void Ingestor::write_rows(RowGroup& group, std::size_t first, std::size_t count) {
  const bool whole = count == group.lines().size();
  ErrorData* error = postgres::in_subtransaction([&] {
    if (whole) {
      group.insert();
    } else {
      group.insert(first, count);
    }
  });
  if (error == nullptr) return;
  if (count > 1 && !is_transient(error->sqlerrcode)) {
    FreeErrorData(error);
    write_rows(group, first, count / 2);
    write_rows(group, first + count / 2, count - count / 2);
    return;
  }
  const Refusal refusal = refusal_of(*error);
  for (std::size_t row = first; row < first + count; ++row)
    refuse(group.lines()[row], refusal);
  group.mark_refused(first, count);
}

/// Refuses what could not even be written apart, with the error that came last.
void Ingestor::refuse_rows() {
  Refusal refusal;
  refusal.sqlstate = write_error_;
  refusal.message = write_message_.c_str();
  for (const auto& group : groups_) {
    if (group->state != RowGroup::State::kMapped) continue;
    for (std::size_t row = 0; row < group->lines().size(); ++row) {
      if (!group->refused(row)) refuse(group->lines()[row], refusal);
    }
  }
}

void Ingestor::next_transaction() {
  transactions_.next();
  stored_ += commit_states();
}

/// After an error: what the transaction had written has to be written again. Throws the error on
/// where the transaction is the caller's.
void Ingestor::recover(ErrorData* report) {
  if (!transactions_.recover()) throw postgres::ServerError(report);
  for (const auto& group : groups_) {
    if (group->state == RowGroup::State::kWritten) group->state = RowGroup::State::kMapped;
  }
}

std::size_t Ingestor::commit_states() noexcept {
  std::size_t stored = 0;
  for (const auto& group : groups_) {
    if (group->state != RowGroup::State::kWritten) continue;
    group->state = RowGroup::State::kCommitted;
    stored += group->accepted();
  }
  return stored;
}

void Ingestor::clear() {
  open_groups_.clear();
  groups_.clear();
  deferred_.clear();
  extensions_.clear();
  origins_.clear();
  pending_ = 0;
  ++batch_;
  MemoryContextReset(batch_memory_);
  MemoryContextReset(row_memory_);
}

void Ingestor::forget_tables() {
  templates_.clear();
  tables_.clear();
  plans_.clear();
  refused_extensions_.clear();
}

}  // namespace influx::ingest
