// The part of Ingestor that writes what has been mapped, and makes what lines wait for.

#include "influx/ingest/attempt.h"
#include "influx/ingest/ingestor.h"
#include "influx/ingest/line_text.h"
#include "influx/postgres/transaction.h"

namespace influx::ingest {

using line_protocol::Parser;

namespace {

/// How often a line may wait for its table to be made or extended before it is refused: somebody
/// else may drop in between what was made.
constexpr int kMostRounds = 8;

}  // namespace

bool Ingestor::store(bool insist) {
  insist_ = insist;
  slice_begun_ns_ = 0;
  try {
    if (!store_in_rounds()) return false;
    tell_of_resumed();
    return true;
  } catch (const std::bad_alloc&) {
    // Whatever was under way, each line is still in one place.
    failure_ = out_of_memory();
    return false;
  }
}

bool Ingestor::store_in_rounds() {
  bool held_were_tried = false;
  for (int round = 0;;) {
    // What has come to rest first: making tables may have to wait for others.
    if (!writer_.write(groups_, batch_memory_, insist_)) {
      failure_ = writer_.failure();
      return false;
    }
    if (!std::exchange(held_were_tried, true)) {
      const std::size_t resumed = resumed_.size();
      if (!extend_held()) return false;
      if (resumed_.size() != resumed) continue;  // rows are written before more is made
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

std::size_t Ingestor::bytes_deferred() const noexcept {
  std::size_t bytes = 0;
  for (const Line& line : deferred_)
    bytes += line.text.size();
  return bytes;
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
