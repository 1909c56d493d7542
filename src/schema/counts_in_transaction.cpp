#include "influx/schema/counts_in_transaction.h"

namespace influx::schema {

void CountsInTransaction::add(Oid table, const Counts& counts, int level) {
  std::size_t& last = last_.try_emplace(table, kNone).first->second;
  if (last == kNone || parts_[last].level != level) {
    parts_.push_back({table, level, {}, last});
    last = parts_.size() - 1;
  }
  parts_[last].counts.points += counts.points;
  parts_[last].counts.columns += counts.columns;
}

void CountsInTransaction::commit(int level) noexcept {
  std::size_t first = parts_.size();
  while (first > 0 && parts_[first - 1].level >= level)
    --first;
  std::size_t kept = first;
  for (std::size_t i = first; i < parts_.size(); ++i) {
    Part part = parts_[i];
    part.level = level - 1;
    if (part.before != kNone && parts_[part.before].level == part.level) {
      Counts& around = parts_[part.before].counts;
      around.points += part.counts.points;
      around.columns += part.counts.columns;
      last_.find(part.table)->second = part.before;
    } else {
      last_.find(part.table)->second = kept;
      parts_[kept++] = part;
    }
  }
  parts_.resize(kept);
}

void CountsInTransaction::roll_back(int level) noexcept {
  while (!parts_.empty() && parts_.back().level >= level) {
    const Part& part = parts_.back();
    if (part.before == kNone) {
      last_.erase(part.table);
    } else {
      last_.find(part.table)->second = part.before;
    }
    parts_.pop_back();
  }
}

void CountsInTransaction::clear() noexcept {
  parts_.clear();
  last_.clear();
}

}  // namespace influx::schema
