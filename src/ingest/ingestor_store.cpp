// The part of Ingestor that writes what has been mapped, and makes what lines wait for.

#include "influx/ingest/attempt.h"
#include "influx/ingest/ingestor.h"
#include "influx/ingest/line_text.h"
#include "influx/postgres/report.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"

namespace influx::ingest {

using line_protocol::Parser;
using schema::Extension;
using transport::monotonic_ns;

namespace {

/// How often a line may wait for its table to be made or extended before it is refused: somebody
/// else may drop in between what was made.
constexpr int kMostRounds = 8;

/// What was refused once is not tried again at once: a sender repeats its lines, and each attempt
/// at a table takes a lock.
constexpr std::int64_t kRememberRefusalNs = 1'000'000'000;
constexpr std::size_t kMostRememberedRefusals = 1000;

}  // namespace

bool Ingestor::store(bool insist) {
  insist_ = insist;
  try {
    return store_in_rounds();
  } catch (const std::bad_alloc&) {
    // Whatever was under way, each line is still in one place.
    failure_ = out_of_memory();
    return false;
  }
}

bool Ingestor::store_in_rounds() {
  for (int round = 0;;) {
    // What has come to rest first: making tables may have to wait for others.
    if (!writer_.write(groups_, batch_memory_, insist_)) {
      failure_ = writer_.failure();
      return false;
    }
    if (deferred_.empty()) break;
    if (round == kMostRounds) {
      refuse_deferred({ERRCODE_OBJECT_IN_USE, "the table changes while its rows are written"});
      continue;
    }
    if (!extend_all()) return false;
    cannot_map_ = false;
    // A part of a batch that does not fit into memory is not one more attempt at its lines.
    const std::size_t before = bytes_deferred();
    end_part();
    map_deferred();
    if (cannot_map_) return false;
    if (!paused_ || bytes_deferred() >= before) ++round;
  }
  pending_ = 0;
  return true;
}

/// Makes the tables and columns that lines wait for. False where the server can do nothing now.
bool Ingestor::extend_all() {
  while (!extensions_.empty()) {
    if (!extend(extensions_.begin()->second)) return false;
    budget_.spend(Extension::bytes_made(extensions_.begin()->second.columns.size()));
    extensions_.erase(extensions_.begin());
    keep_to_budget();
  }
  return true;
}

std::size_t Ingestor::bytes_deferred() const noexcept {
  std::size_t bytes = 0;
  for (const Line& line : deferred_)
    bytes += line.text.size();
  return bytes;
}

bool Ingestor::extend(const Extension& extension) {
  ErrorData* error = nullptr;
  std::optional<postgres::Error> failure = attempt(transactions_, [&] {
    transactions_.begin();
    MemoryContextReset(row_memory_);
    error = postgres::in_context(row_memory_, [&] { return extender_.extend(extension); });
    // It is about the call, and not about the table.
    if (error != nullptr && postgres::is_interrupt(error->sqlerrcode)) ReThrowError(error);
    transactions_.commit();
  });
  if (error != nullptr) failure = error_of(*error);
  if (!failure.has_value()) return true;

  if (failure->sqlstate() == ERRCODE_PROGRAM_LIMIT_EXCEEDED && extender_.announces()) {
    // What the server says where its queue of notifications is full. They are worth no line.
    extender_.stop_announcing();
    if (postgres::may_report(postgres::Report::kNotNotified)) {
      postgres::guard([&] {
        ereport(WARNING, (errcode(failure->sqlstate()),
                          errmsg("influx: nobody is notified of new tables and columns for a "
                                 "minute: %s",
                                 postgres::printable(failure->what()))));
      });
    }
    return extend(extension);
  }
  Trouble trouble = trouble_of(failure->sqlstate());
  if (transactions_.waits_for_locks() || (insist_ && trouble == Trouble::kServer)) {
    trouble = Trouble::kRow;
  }
  switch (trouble) {
    case Trouble::kServer:
      failure_ = *failure;
      return false;
    case Trouble::kMoment:
      break;  // the lines come here again
    case Trouble::kLock:
      transactions_.stop_waiting();
      postgres::guard([&] { hold_table(extension.measurement); });
      break;
    case Trouble::kRow:
      if (refused_extensions_.size() >= kMostRememberedRefusals) refused_extensions_.clear();
      refused_extensions_.insert_or_assign(
          extension.measurement, RememberedRefusal{*failure, monotonic_ns() + kRememberRefusalNs});
      break;
  }
  return true;
}

void Ingestor::map_deferred() {
  std::size_t lines = 0;
  for (const Line& line : deferred_)
    lines += line_count(line.text);
  if (!make_room(lines, 0)) throw std::bad_alloc();
  deferred_before_.swap(deferred_);
  // Groups of one table may have given theirs back one after the other.
  std::sort(deferred_before_.begin(), deferred_before_.end(), is_before);
  pending_ -= deferred_before_.size();
  lines_ -= deferred_before_.size();
  part_begin_ = lines_;
  unread_lines_ = 0;
  mapping_.deferred = deferred_before_.size();
  for (const Line& line : deferred_before_) {
    --mapping_.deferred;
    parser_.reset(line.text);
    map_lines(line.number, line.origin);
  }
  deferred_before_.clear();
}

void Ingestor::refuse_deferred(const postgres::Error& reason) {
  for (const Line& line : deferred_) {
    parser_.reset(line.text);
    --lines_;
    for (;;) {
      const Parser::Result result = parser_.next();
      if (result == Parser::Result::kEnd) break;
      ++lines_;
      const auto behind = static_cast<std::uint32_t>(parser_.line_number()) - 1;
      const Line one{parser_.line(), line.number + behind, line.origin};
      postgres::guard([&] { refuse(one, refusal_of(reason), parser_.point().measurement); });
    }
  }
  deferred_.clear();
  extensions_.clear();
  unread_lines_ = 0;
}

void Ingestor::put_back() {
  if (std::exchange(mapping_.has_line, false)) map_again(mapping_.line);
  if (std::exchange(mapping_.reads, false)) leave_rest();
  const auto again = [&](const Line& line) {
    ++lines_;
    unread_lines_ += line_count(line.text) - 1;
    map_again(line);
  };
  const std::size_t deferred = std::exchange(mapping_.deferred, 0);
  std::for_each(deferred_before_.end() - static_cast<std::ptrdiff_t>(deferred),
                deferred_before_.end(), again);
  deferred_before_.clear();
  std::size_t left = std::exchange(mapping_.resumed, 0);
  if (left == 0) return;
  const HeldLines::Queue& queue = resumed_.back().lines;
  std::size_t before = queue.size() - left;
  queue.for_each([&](Line line, const Origin& origin) {
    if (before > 0) {
      --before;
      return;
    }
    line.origin = static_cast<std::uint32_t>(origins_.size());
    origins_.push_back(origin);
    again(line);
  });
}

void Ingestor::refuse_batch(const postgres::Error& reason) {
  for (const auto& group : groups_) {
    if (group->state == RowGroup::State::kDone) continue;
    for (std::size_t row = 0; row < group->lines().size(); ++row) {
      if (group->refused(row)) continue;
      postgres::guard([&] { refuse_row(*group, group->lines()[row], refusal_of(reason)); });
    }
    group->state = RowGroup::State::kDone;
  }
  refuse_deferred(reason);
}

}  // namespace influx::ingest
