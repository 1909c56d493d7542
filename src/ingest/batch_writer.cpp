#include "influx/ingest/batch_writer.h"

#include "influx/postgres/transaction.h"
#include "influx/schema/table_counts.h"

namespace influx::ingest {

namespace {

/// How often a transaction is repeated for trouble of the moment.
constexpr int kAttempts = 5;

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
    if (trouble == Trouble::kLock) {
      transactions_.stop_waiting();
      if (current_ != nullptr) {
        put_off(groups, *current_);
        continue;
      }
      trouble = Trouble::kMoment;
    }
    if (trouble == Trouble::kMoment && ++attempts < kAttempts) continue;
    attempts = 0;
    if (mode != Mode::kAlone) {
      // A transaction for each group needs the least of the server.
      mode = trouble == Trouble::kServer || mode == Mode::kApart ? Mode::kAlone : Mode::kApart;
    } else if (current_ == nullptr) {
      return false;
    } else if (trouble != Trouble::kServer || insist_) {
      refuse(*current_);
    } else {
      pass_over(groups, *current_);
      if (++passed_over == kMostPassedOver) return false;
    }
  }
  return passed_over == 0;
}

bool BatchWriter::try_to_write(Groups& groups, MemoryContext memory, Mode mode) {
  current_ = nullptr;
  const std::optional<postgres::Error> failure = attempt(transactions_, [&] {
    transactions_.begin();
    schema::start_counting_tables();
    postgres::in_context(memory, [&] { write_groups(groups, mode); });
    transactions_.commit();
  });
  settle_states(groups, !failure.has_value());
  if (failure.has_value()) failure_ = *failure;
  return !failure.has_value();
}

void BatchWriter::write_groups(Groups& groups, Mode mode) {
  // A deferred constraint would refuse the whole transaction when it commits.
  const auto check_at_once = [&] {
    if (mode != Mode::kTogether) SPI_execute("SET CONSTRAINTS ALL IMMEDIATE", false, 0);
  };
  check_at_once();
  const std::size_t most_tables = mode == Mode::kAlone ? 1 : postgres::fair_number_of_locks();
  std::size_t tables = 0;
  for (const auto& group : groups) {
    if (group->state != RowGroup::State::kMapped || group->passed_over) continue;
    current_ = group.get();
    if (!is_ready(groups, *group)) continue;
    gather(groups, *group);
    if (mode == Mode::kTogether) {
      write_fast();
    } else {
      write_carefully();
    }
    for (RowGroup* written : together_) {
      written->state = RowGroup::State::kWritten;
      schema::count_points(written->table().oid, written->accepted());
    }
    if (++tables < most_tables) continue;
    tables = 0;
    transactions_.commit();
    settle_states(groups, true);
    transactions_.begin();
    check_at_once();
  }
  current_ = nullptr;
}

/// Takes the lock that the INSERT needs, which also tells of changes. False where the rows cannot
/// be written now; then they have been given away.
bool BatchWriter::is_ready(Groups& groups, RowGroup& group) {
  const Oid table = group.table().oid;
  if (transactions_.waits_for_locks()) {
    LockRelationOid(table, RowExclusiveLock);
  } else if (!ConditionalLockRelationOid(table, RowExclusiveLock)) {
    put_off(groups, group);
    return false;
  }
  if (group.table().current) return true;
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
  if (together_.front()->plan().arbiter() == nullptr) return together_.front()->insert();
  order_.by_layers(together_);
  for (const WriteOrder::Run& run : order_.runs()) {
    current_ = run.group;
    run.group->insert(order_.rows_of(run));
  }
}

/// Writes the rows so that each that its table refuses costs itself only. Raises what is not about
/// rows.
void BatchWriter::write_carefully() {
  order_.by_lines(together_);
  if (together_.front()->plan().arbiter() != nullptr) {
    ErrorData* error = postgres::in_subtransaction([&] { write_fast(); });
    if (error == nullptr) return;
    if (!is_about_rows(error->sqlerrcode)) ReThrowError(error);
    for (RowGroup* group : together_)
      group->duplicates = 0;
    // Where rows got another key on their way, as by a trigger, only the order of lines is right;
    // and there is no other where keys could not be compared.
    const bool keys_changed = error->sqlerrcode == ERRCODE_CARDINALITY_VIOLATION;
    FreeErrorData(error);
    if (keys_changed || order_.runs().empty()) order_.by_lines(together_);
  }
  for (const WriteOrder::Run& run : order_.runs()) {
    current_ = run.group;
    write_rows(*run.group, order_.rows_of(run));
  }
}

/// Writes rows of a group by one statement; where that is refused, each half of them.
void BatchWriter::write_rows(RowGroup& group, std::span<const std::uint32_t> rows) {
  ErrorData* error = postgres::in_subtransaction([&] { group.insert(rows); });
  if (error == nullptr) return;
  if (!is_about_rows(error->sqlerrcode)) ReThrowError(error);
  if (rows.size() > 1) {
    FreeErrorData(error);
    write_rows(group, rows.first(rows.size() / 2));
    write_rows(group, rows.subspan(rows.size() / 2));
    return;
  }
  unwritten_.refuse_row(group, group.lines()[rows.front()], refusal_of(*error));
  group.mark_refused(rows.front());
}

bool BatchWriter::is_about_rows(int sqlstate) const noexcept {
  const Trouble trouble = trouble_of(sqlstate);
  return trouble == Trouble::kRow || (trouble == Trouble::kServer && insist_);
}

/// Leaves the table of `group` for another call: all of its rows, so that their order is kept.
void BatchWriter::pass_over(Groups& groups, const RowGroup& group) noexcept {
  for (const auto& each : groups) {
    if (each->table().oid == group.table().oid) each->passed_over = true;
  }
}

/// Gives away the rows of the table of `group`, which is locked: all of them, so that their order
/// is kept.
void BatchWriter::put_off(Groups& groups, const RowGroup& group) {
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
  for (const auto& each : groups) {
    if (is_concerned(*each)) each->state = RowGroup::State::kDone;
  }
  std::sort(put_off_.begin(), put_off_.end(), [](const Line& left, const Line& right) {
    return std::pair(left.origin, left.number) < std::pair(right.origin, right.number);
  });
  unwritten_.hold(group.table().measurement, put_off_);
}

/// Refuses the rows of a group that cannot be written even alone, with the error that came last.
void BatchWriter::refuse(RowGroup& group) {
  const Refusal refusal = refusal_of(failure_);
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
