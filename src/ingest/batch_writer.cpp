#include "influx/ingest/batch_writer.h"

#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/membership.h"
#include "influx/schema/table_counts.h"

namespace influx::ingest {

namespace {

/// How often a transaction is repeated for trouble of the moment.
constexpr int kAttempts = 5;
/// How often a row that is written for itself is tried again for a cancel: it may have meant
/// another one.
constexpr int kAttemptsAtRow = 3;

/// Where so many groups, each alone, meet trouble of the server, it is not about one of them.
constexpr int kMostPassedOver = 3;

}  // namespace

bool BatchWriter::write(Groups& groups, MemoryContext memory, bool insist) {
  insist_ = insist;
  Mode mode = Mode::kTogether;
  int attempts = 0;
  int passed_over = 0;
  for (const auto& group : groups)
    group->passed_over = false;
  // It comes to an end: each turn is one attempt less, or another mode, or disposes of a group.
  while (!try_to_write(groups, memory, mode)) {
    ++retries_;
    Trouble trouble = trouble_of(failure_.sqlstate());
    if (current_ != nullptr && is_for_lost_name(failure_.sqlstate())) trouble = Trouble::kMoment;
    if (trouble == Trouble::kLock) {
      transactions_.stop_waiting();
      if (current_ != nullptr) {
        put_off(groups, *current_, nullptr);
        continue;
      }
      trouble = Trouble::kMoment;
    }
    if (trouble == Trouble::kOutside && current_ != nullptr && may_hold(*current_)) {
      put_off(groups, *current_, &failure_);
      continue;
    }
    if (trouble == Trouble::kMoment && ++attempts < kAttempts) continue;
    attempts = 0;
    if (mode < Mode::kAlone) {
      // A transaction for each group needs the least of the server.
      mode = trouble == Trouble::kOutside || mode == Mode::kApart ? Mode::kAlone : Mode::kApart;
    } else if (mode == Mode::kAlone && trouble == Trouble::kMoment && current_ != nullptr) {
      mode = Mode::kByRow;  // a trigger may raise it for one of them
    } else if (current_ == nullptr) {
      return false;
    } else if (trouble != Trouble::kOutside || !is_for_all_) {
      refuse(*current_, refusal_of(failure_));
    } else {
      pass_over(groups, *current_);
      if (++passed_over == kMostPassedOver) return false;
    }
  }
  return passed_over == 0;
}

bool BatchWriter::try_to_write(Groups& groups, MemoryContext memory, Mode mode) {
  current_ = nullptr;
  mode_ = mode;
  const std::optional<postgres::Error> failure = attempt(transactions_, [&] {
    transactions_.begin();
    schema::start_counting_tables();
    postgres::in_context(memory, [&] { write_groups(groups); });
    transactions_.commit();
  });
  settle_states(groups, !failure.has_value());
  if (failure.has_value()) failure_ = *failure;
  return !failure.has_value();
}

void BatchWriter::write_groups(Groups& groups) {
  // A deferred constraint would refuse the whole transaction when it commits.
  const auto check_at_once = [&] {
    if (mode_ != Mode::kTogether) SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
  };
  check_at_once();
  const std::size_t most_tables = mode_ >= Mode::kAlone ? 1 : postgres::fair_number_of_locks();
  std::size_t tables = 0;
  for (const auto& group : groups) {
    if (group->state != RowGroup::State::kMapped || group->passed_over) continue;
    current_ = group.get();
    if (!is_ready(groups, *group)) continue;
    gather(groups, *group);
    if (mode_ == Mode::kTogether) {
      write_fast();
    } else {
      write_carefully();
    }
    for (RowGroup* written : together_) {
      written->state = RowGroup::State::kWritten;
      schema::count_points(written->table().oid, written->accepted());
    }
    spare_memory();
    if (++tables < most_tables) continue;
    tables = 0;
    transactions_.commit();
    settle_states(groups, true);
    transactions_.begin();
    check_at_once();
  }
  current_ = nullptr;
}

/// Plans are kept for the next batch, unless those of this one are too much already.
void BatchWriter::spare_memory() noexcept {
  for (RowGroup* written : together_)
    budget_.spend(written->take_bytes_prepared());
  if (!budget_.is_exceeded()) return;
  for (RowGroup* written : together_)
    written->release_plan();
}

void BatchWriter::shrink() noexcept {
  together_ = {};
  put_off_ = {};
  order_ = {};
}

/// Takes the lock that the INSERT needs, which also tells of changes. False where the rows cannot
/// be written now; then they have been given away.
bool BatchWriter::is_ready(Groups& groups, RowGroup& group) {
  const Oid table = group.table().oid;
  if (transactions_.waits_for_locks()) {
    LockRelationOid(table, RowExclusiveLock);
  } else if (!ConditionalLockRelationOid(table, RowExclusiveLock)) {
    put_off(groups, group, nullptr);
    return false;
  }
  if (group.table().current) {
    const Oid extension = schema::extension_of(table);
    if (extension == InvalidOid) return true;
    refuse(group, refusal_of(schema::objection_to_member(
                      postgres::server_string(group.table().measurement), extension)));
    return false;
  }
  UnlockRelationOid(table, RowExclusiveLock);
  for (std::size_t row = 0; row < group.lines().size(); ++row) {
    if (!group.refused(row)) unwritten_.map_again(group.lines()[row]);
  }
  group.state = RowGroup::State::kDone;
  return false;
}

/// Notes which groups are to be written together with `group`, so that rows of one key keep their
/// order.
void BatchWriter::gather(Groups& groups, RowGroup& group) {
  together_.clear();
  if (group.plan().arbiter() == nullptr) return together_.push_back(&group);
  for (const auto& each : groups) {
    if (each->state == RowGroup::State::kMapped &&
        each->plan().arbiter() == group.plan().arbiter()) {
      together_.push_back(each.get());
    }
  }
}

void BatchWriter::write_fast() {
  RowGroup& first = *together_.front();
  if (first.plan().arbiter() == nullptr) {
    first.insert();
  } else {
    order_.list(together_);
    write_part(0, order_.size());
    count_duplicates();
  }
}

/// Writes the rows so that each that its table refuses costs itself only. Raises what is not about
/// rows.
void BatchWriter::write_carefully() {
  order_.list(together_);
  write_or_halve(0, order_.size());
}

/// Writes `count` rows of the order from `first` on.
void BatchWriter::write_part(std::size_t first, std::size_t count) {
  order_.arrange(first, count);
  for (WriteOrder::Run& run : order_.runs()) {
    current_ = run.group;
    run.duplicates = run.group->insert(order_.rows_of(run), order_.combined_of(run));
  }
}

/// The same; where that is refused, each half of them, so that all of the first one are written
/// before the second one: their order is right whatever was made of their keys on the way.
void BatchWriter::write_or_halve(std::size_t first, std::size_t count) {
  if (count == 0) return;
  ErrorData* error = nullptr;
  int attempts = 0;
  do {
    error = postgres::in_subtransaction([&] { write_part(first, count); });
  } while (error != nullptr && count == 1 && mode_ == Mode::kByRow &&
           error->sqlerrcode == ERRCODE_QUERY_CANCELED && ++attempts < kAttemptsAtRow);
  if (error == nullptr) return count_duplicates();
  if (!is_about_rows(error->sqlerrcode)) ReThrowError(error);
  if (count > 1) {
    FreeErrorData(error);
    write_or_halve(first, count / 2);
    write_or_halve(first + count / 2, count - count / 2);
    return;
  }
  const WriteOrder::Run& run = order_.runs().front();
  const std::uint32_t row = order_.rows_of(run).front();
  unwritten_.refuse_row(*run.group, run.group->lines()[row], refusal_of(*error));
  run.group->mark_refused(row);
}

/// Counts for the groups what the part that was just written has found.
void BatchWriter::count_duplicates() noexcept {
  for (const WriteOrder::Run& run : order_.runs())
    run.group->duplicates += run.duplicates;
}

/// Whether a name in the statement means nothing any more, as that of a schema: no lock stands
/// against that. When the table is described again, it has the name of now.
bool BatchWriter::is_for_lost_name(int sqlstate) const noexcept {
  return !current_->table().current &&
         (sqlstate == ERRCODE_UNDEFINED_TABLE || sqlstate == ERRCODE_UNDEFINED_SCHEMA ||
          sqlstate == ERRCODE_UNDEFINED_OBJECT);
}

bool BatchWriter::is_about_rows(int sqlstate) const {
  if (is_for_lost_name(sqlstate)) return false;
  const Trouble trouble = trouble_of(sqlstate);
  return trouble == Trouble::kRow || (trouble == Trouble::kMoment && mode_ == Mode::kByRow) ||
         (trouble == Trouble::kOutside &&
          (insist_ || !unwritten_.may_wait(current_->table().measurement, sqlstate)));
}

/// Whether the rows of the table of `group`, which has met trouble of kind kOutside, are to be put
/// off: it is theirs, the server takes others.
bool BatchWriter::may_hold(const RowGroup& group) {
  is_for_all_ = false;
  if (insist_ || !unwritten_.may_wait(group.table().measurement, failure_.sqlstate())) return false;
  is_for_all_ = !transactions_.takes_writes(failure_.sqlstate());
  return !is_for_all_;
}

/// Leaves the table of `group` for another call: all of its rows, so that their order is kept.
void BatchWriter::pass_over(Groups& groups, const RowGroup& group) noexcept {
  for (const auto& each : groups) {
    if (each->table().oid == group.table().oid) each->passed_over = true;
  }
}

/// Gives away the rows of the table of `group`, which can take none now: all of them, so that their
/// order is kept.
void BatchWriter::put_off(Groups& groups, const RowGroup& group, const postgres::Error* reason) {
  const auto is_concerned = [&](const RowGroup& each) {
    return each.state == RowGroup::State::kMapped && each.table().oid == group.table().oid;
  };
  // All of them are at hand before the groups let go of them.
  put_off_.clear();
  for (const auto& each : groups) {
    if (!is_concerned(*each)) continue;
    for (std::size_t row = 0; row < each->lines().size(); ++row) {
      if (!each->refused(row)) put_off_.push_back(each->lines()[row]);
    }
  }
  std::sort(put_off_.begin(), put_off_.end(), is_before);
  unwritten_.hold(group.table().measurement, put_off_, reason);
  for (const auto& each : groups) {
    if (is_concerned(*each)) each->state = RowGroup::State::kDone;
  }
}

/// Refuses the rows of a group.
void BatchWriter::refuse(RowGroup& group, const Refusal& refusal) {
  for (std::size_t row = 0; row < group.lines().size(); ++row) {
    if (!group.refused(row)) unwritten_.refuse_row(group, group.lines()[row], refusal);
  }
  group.state = RowGroup::State::kDone;
}

/// What was written is there for good, or is to be written again.
void BatchWriter::settle_states(Groups& groups, bool committed) noexcept {
  for (const auto& group : groups) {
    if (group->state == RowGroup::State::kDone) continue;
    if (committed && group->state == RowGroup::State::kWritten) {
      stored_ += group->accepted();
      duplicates_ += group->duplicates;
      // Nothing is less than every time.
      if (group->accepted() > 0) {
        newest_point_ns_ = std::max(newest_point_ns_, std::optional(group->newest_ns()));
      }
      group->state = RowGroup::State::kDone;
    } else {
      group->duplicates = 0;
      group->state = RowGroup::State::kMapped;
    }
  }
}

}  // namespace influx::ingest
