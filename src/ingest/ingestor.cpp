// What Ingestor does with lines as they come: rows for tables that are there, and lists of what
// waits.

#include "influx/ingest/ingestor.h"

#include "influx/ingest/attempt.h"
#include "influx/ingest/line_text.h"
#include "influx/postgres/catalog.h"
#include "influx/postgres/compat.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/names.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using line_protocol::Parser;
using line_protocol::Precision;
using schema::ColumnIndex;
using schema::Table;

namespace {

/// How many tables of malformed lines are looked up in the catalog for each batch, only to count
/// the lines by table: a flood of names must cost little.
constexpr std::size_t kMostLookups = 200;

}  // namespace

Ingestor::Ingestor(Oid namespace_oid, Precision precision, RefusalHandler& refusals,
                   TransactionControl& transactions)
    : namespace_oid_(namespace_oid),
      refusals_(refusals),
      transactions_(transactions),
      parser_(precision, line_protocol::process_hash_seed()),
      tables_(namespace_oid, transactions.waits_for_locks()),
      extender_(namespace_oid),
      writer_(transactions, *this, budget_) {
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
  if (!has_room_for(text.size()) && !make_room(line_count(text), 1)) throw std::bad_alloc();
  const auto origin_index = static_cast<std::uint32_t>(origins_.size());
  origins_.push_back(origin);
  parser_.reset(text);
  map_lines(1, origin_index);
}

std::string_view Ingestor::add_some(std::string_view text, const Origin& origin,
                                    std::uint32_t* number) {
  if (!make_room(kMostLinesOfBatch, 1)) throw std::bad_alloc();
  const auto origin_index = static_cast<std::uint32_t>(origins_.size());
  origins_.push_back(origin);
  parser_.poll_by(postgres::check_interrupts);
  parser_.reset(text);
  map_lines(*number, origin_index, kMostLinesOfBatch, kMostBytesOfBatch);
  parser_.poll_by(nullptr);
  *number += static_cast<std::uint32_t>(parser_.next_line_number()) - 1;
  return parser_.rest();
}

bool Ingestor::has_room_for(std::size_t bytes) const noexcept {
  // A line has a byte at least.
  const std::size_t lines = deferred_.size() + bytes;
  return deferred_.capacity() >= lines && deferred_before_.capacity() >= lines &&
         origins_.capacity() > origins_.size();
}

bool Ingestor::make_room_for(std::size_t bytes) {
  if (has_room_for(bytes) || make_room(bytes, 1)) return true;
  failure_ = out_of_memory();
  return false;
}

/// Makes room for so many lines, and origins of lines, to come: to put a line aside takes no memory
/// then. False where there is none.
bool Ingestor::make_room(std::size_t lines, std::size_t origins) {
  const auto grow = [](auto& list, std::size_t more) {
    const std::size_t wanted = list.size() + more;
    if (wanted > list.capacity()) list.reserve(std::max(wanted, 2 * list.capacity()));
  };
  try {
    grow(deferred_, lines);
    grow(deferred_before_, deferred_.size() + lines);
    grow(origins_, origins);
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

/// Maps the lines of the parser up to its end, or until there were so many of them, or they took so
/// many bytes, or the memory for their rows is used up. A line that is an error of the server is
/// put aside. `first_number` is the number of the first line in its origin.
void Ingestor::map_lines(std::uint32_t first_number, std::uint32_t origin, std::size_t most_lines,
                         std::size_t most_bytes) {
  const std::size_t bytes = parser_.rest().size();
  std::size_t lines = 0;
  mapping_.reads = true;
  mapping_.first_number = first_number;
  mapping_.origin = origin;
  for (;;) {
    if (has_to_pause()) break;
    Line& line = mapping_.line;
    const auto failure = attempt(transactions_, [&] {
      transactions_.begin();
      postgres::in_context(row_memory_, [&] {
        for (;;) {
          mapping_.has_line = false;
          if (lines == most_lines || bytes - parser_.rest().size() >= most_bytes) return;
          if (has_to_pause()) return;
          const Parser::Result result = parser_.next();
          if (result == Parser::Result::kEnd) return;
          ++lines_;
          ++lines;
          line = {parser_.line(),
                  first_number + static_cast<std::uint32_t>(parser_.line_number()) - 1, origin};
          mapping_.has_line = true;
          MemoryContextReset(row_memory_);
          CHECK_FOR_INTERRUPTS();
          if (result == Parser::Result::kError) {
            refuse_malformed(line);
          } else {
            map_point(line);
          }
        }
      });
    });
    if (!failure.has_value()) break;
    if (!mapping_.has_line) {
      // It is not about a line: no transaction could be had, or no memory to read one.
      cannot_map_ = true;
      failure_ = *failure;
      leave_rest();
      mapping_.reads = false;
      return;
    }
    put_aside(line, *failure);
    mapping_.has_line = false;
  }
  // Who gives the lines in parts has what is behind them.
  if (paused_ && most_lines == SIZE_MAX) leave_rest();
  mapping_.reads = false;
}

/// Whether what is mapped has to be written before more is. A part has a line at least.
bool Ingestor::has_to_pause() noexcept {
  paused_ = paused_ || (lines_ != part_begin_ && budget_.is_exceeded());
  return paused_;
}

/// Puts off what the parser has not read of its text.
void Ingestor::leave_rest() {
  const std::string_view rest = parser_.rest();
  if (rest.empty()) return;
  ++lines_;  // stands for them until they are told apart
  unread_lines_ += line_count(rest) - 1;
  const auto number = static_cast<std::uint32_t>(parser_.next_line_number());
  map_again({rest, mapping_.first_number + number - 1, mapping_.origin});
}

/// Decides about a line whose mapping ended with `error`. REQUIRES: the parser is at the line.
void Ingestor::put_aside(const Line& line, const postgres::Error& error) {
  const std::string_view measurement = parser_.point().measurement;
  switch (trouble_of(error.sqlstate())) {
    case Trouble::kLock:
      transactions_.stop_waiting();
      return put_aside_with_table(line, measurement, nullptr);
    case Trouble::kMoment:
      return map_again(line);
    case Trouble::kOutside:
      if (insist_ || !may_wait(std::string(measurement), error.sqlstate())) break;
      if (transactions_.takes_writes(error.sqlstate())) {
        return put_aside_with_table(line, measurement, &error);
      }
      cannot_map_ = true;
      failure_ = error;
      return map_again(line);
    case Trouble::kRow:
      break;
  }
  postgres::guard([&] { refuse(line, refusal_of(error), measurement); });
}

/// Lets the lines of a table wait from this one on, for `reason` or, where that is null, for a
/// lock.
void Ingestor::put_aside_with_table(const Line& line, std::string_view measurement,
                                    const postgres::Error* reason) {
  try {
    hold_table(measurement, reason);
    postgres::guard([&] { hold_line(measurement, line); });
  } catch (const std::bad_alloc&) {
    map_again(line);
  }
}

void Ingestor::map_point(const Line& line) {
  const line_protocol::Point& point = parser_.point();
  if (!held_.empty() && held_.holds(point.measurement)) return hold_line(point.measurement, line);
  if (append_by_template(point, line)) return;
  if (!schema::fits_name(point.measurement)) {
    Refusal refusal;
    refusal.sqlstate = ERRCODE_NAME_TOO_LONG;
    refusal.message = "measurement name is too long for a table";
    refusal.detail = psprintf("A name has at most %d bytes.", NAMEDATALEN - 1);
    return refuse(line, refusal, point.measurement);
  }
  const std::shared_ptr<Table>& table = tables_.find(point.measurement);
  if (table == nullptr && !may_create(line, point.measurement)) return;
  if (table != nullptr && table->last_used != batch_) {
    if (table->last_used == 0) budget_.spend(table->bytes());
    table->last_used = batch_;
  }

  const std::int64_t received_ns = origins_[line.origin].received_ns;
  const RowMapper::Result result =
      table != nullptr ? mapper_.map(*table, point, received_ns)
                       : mapper_.map_missing(point, extender_.has_create_function());
  switch (result) {
    case RowMapper::Result::kRefused:
      refuse(line, mapper_.refusal(), point.measurement);
      break;
    case RowMapper::Result::kNeedsExtension:
      defer(line, point.measurement, table);
      break;
    case RowMapper::Result::kRow:
      // Behind a line that waits, the lines of its table wait too: their order is kept.
      if (extensions_.find(point.measurement) != extensions_.end()) {
        map_again(line);
      } else if (is_behind(table)) {
        wait_for_extension(line, point.measurement, table);
      } else {
        add_row(table, line);
      }
      break;
  }
}

/// Whether there can be a table for a measurement that has none; refuses the line where not.
bool Ingestor::may_create(const Line& line, std::string_view measurement) {
  // It is promised already, or waits for its turn.
  if (extensions_.contains(measurement) || unextended_.holds(measurement)) return true;
  schema::Objection objection;
  if (extender_.may_create(measurement, &objection)) return true;
  refuse(line, refusal_of(objection), measurement);
  return false;
}

/// Makes the row of a point of a series that is known already. False where that is for the mapper
/// to do.
bool Ingestor::append_by_template(const line_protocol::Point& point, const Line& line) {
  const RowTemplates::Template known = templates_.find(point);
  if (known.shape == nullptr || !extensions_.empty()) return false;
  RowShape& shape = *known.shape;
  if (!shape.is_current()) return false;
  if (!unextended_.empty() && !shape.table()->arbiters.empty() &&
      unextended_.holds(point.measurement)) {
    return false;
  }

  const std::int64_t received_ns = origins_[line.origin].received_ns;
  MinimalTuple row = shape.fill(point, known.constants, received_ns, row_buffer_);
  if (row == nullptr) return false;
  if (shape.batch != batch_ || shape.group->state != RowGroup::State::kMapped) {
    shape.group = &group_for(shape.table(), shape.plan());
    shape.batch = batch_;
  }
  shape.group->append(row, line, point.timestamp.value_or(received_ns));
  budget_.spend(row->t_len + RowGroup::kBytesBeside);
  ++pending_;
  return true;
}

/// Makes the row of the point that was just mapped.
void Ingestor::add_row(const std::shared_ptr<Table>& table, const Line& line) {
  // A reference: an error of the server further down runs no destructor.
  const schema::Arbiter* arbiter =
      schema::choose_arbiter(*table, mapper_.present(), mapper_.field_columns());
  const std::uint64_t plans_made = table->plans_made;
  const std::shared_ptr<InsertPlan>& plan = plans_.find(table, mapper_.present(), arbiter);
  const std::size_t width = plan->columns().size();
  if (table->plans_made != plans_made) {
    plan_made_ = true;
    budget_.spend(InsertPlan::bytes(width));
  }
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
  templates_.learn(parser_.point(), mapper_, row, table, plan);
  RowGroup& group = group_for(table, plan);
  group.append(tuple, line, parser_.point().timestamp.value_or(origins_[line.origin].received_ns));
  budget_.spend(tuple->t_len + RowGroup::kBytesBeside);
  ++pending_;
}

/// The group of the batch that takes rows for `plan`.
RowGroup& Ingestor::group_for(const std::shared_ptr<const Table>& table,
                              const std::shared_ptr<InsertPlan>& plan) {
  RowGroup*& open = open_groups_[plan.get()];
  if (open != nullptr && open->state == RowGroup::State::kMapped) return *open;
  table->last_used = batch_;
  groups_.push_back(std::make_unique<RowGroup>(table, plan, batch_memory_));
  return *(open = groups_.back().get());
}

/// Puts a line off until the batch is written and its tables are extended.
void Ingestor::map_again(const Line& line) {
  deferred_.push_back(line);
  ++pending_;
}

void Ingestor::refuse(const Line& line, Refusal refusal, std::string_view measurement) {
  mapping_.has_line = false;
  refusal.measurement = measurement;
  if (refusal.table == InvalidOid) refusal.table = tables_.known(measurement);
  refusals_.refuse(line, origins_[line.origin], refusal);
}

/// Refuses the line at which the parser is. REQUIRES: a transaction.
void Ingestor::refuse_malformed(const Line& line) {
  const std::string_view measurement = parser_.point().measurement;
  Refusal refusal = refusal_of(parser_.error());
  refusal.table = tables_.known(measurement);
  // Where no good line has come for the table yet. A name that cannot be converted could raise.
  if (refusal.table == InvalidOid && !measurement.empty() && schema::fits_name(measurement) &&
      !postgres::converts_text() && looked_up_ < kMostLookups) {
    ++looked_up_;
    refusal.table = postgres::find_relation(postgres::server_string(measurement), namespace_oid_);
  }
  refuse(line, refusal, measurement);
}

void Ingestor::refuse_row(const RowGroup& group, const Line& line, const Refusal& refusal) {
  Refusal with_table = refusal;
  with_table.table = group.table().oid;
  refuse(line, with_table, group.table().measurement);
}

void Ingestor::clear() {
  deferred_.clear();
  extensions_.clear();
  extender_.forget_promises();
  origins_.clear();
  resumed_.clear();
  kept_room_.clear();
  kept_bytes_ = 0;
  insist_ = false;
  pending_ = 0;
  looked_up_ = 0;
  unread_lines_ = 0;
  end_part();
}

void Ingestor::forget_tables() {
  templates_.clear();
  tables_.clear();
  plans_.clear();
  refused_extensions_.clear();
}

}  // namespace influx::ingest
