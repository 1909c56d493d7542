// The part of Ingestor that keeps to its budget of memory.

#include "influx/ingest/ingestor.h"
#include "influx/postgres/memory.h"
#include "influx/postgres/transaction.h"

namespace influx::ingest {

namespace {

/// Tables are given up in so many steps; behind each it is measured what that was worth.
constexpr std::size_t kSteps = 8;

/// What a batch does to the server's caches that nobody tells of.
constexpr std::size_t kBytesUntold = std::size_t{16} * 1024;

/// What is beyond the budget by less than this may be of use to the listener itself.
std::size_t most_kept() noexcept {
  return MemoryBudget::limit() / 4 * 5;
}

template <typename List>
void shrink(List& list) {
  if (list.empty()) List().swap(list);
}

}  // namespace

/// Forgets the rows, which are written, or given to somebody else.
void Ingestor::end_part() {
  open_groups_.clear();
  groups_.clear();
  ++batch_;
  paused_ = false;
  part_begin_ = lines_;
  sweep();
  MemoryContextReset(batch_memory_);
  MemoryContextReset(row_memory_);
  budget_.spend(kBytesUntold);
  keep_to_budget();
}

/// Lets go of tables that were dropped, and of all that was made for them; and of forms whose plan
/// has given way to another one.
void Ingestor::sweep() {
  const bool plan_made = std::exchange(plan_made_, false);
  tables_.forget_members();
  if (tables_.sweep()) {
    plans_.sweep();
  } else if (!plan_made) {
    return;
  }
  templates_.sweep();
}

/// Gives memory back where there is too much. REQUIRES: no row is mapped and not written.
void Ingestor::keep_to_budget() {
  budget_.set_aside(held_bytes());
  if (!budget_.is_exceeded()) return;
  try {
    give_up_tables();
  } catch (const std::bad_alloc&) {
    forget_tables();
  }
  // What is left is the server's. It is worth the work only where much has come together.
  const std::size_t left = budget_.measure();
  if (left > MemoryBudget::low_water() && left > forgotten_at_ + MemoryBudget::limit() / 8 &&
      transactions_.may_forget_catalogs()) {
    forget_tables();
    postgres::guard([] { postgres::forget_catalogs(); });
    forgotten_at_ = budget_.measure();
  }
  postgres::give_back_memory();
  budget_.settle();
}

void Ingestor::look_at_memory() {
  budget_.set_aside(held_bytes());
  budget_.measure();
  keep_to_budget();
}

std::size_t Ingestor::excess_memory() noexcept {
  // Only then was everything given up, and the rest is asked for no more than need be.
  if (forgotten_at_ <= most_kept()) return 0;
  budget_.set_aside(held_bytes());
  const std::size_t taken = budget_.measure();
  return taken > most_kept() ? taken - MemoryBudget::limit() : 0;
}

/// Forgets the tables that were used least recently, until enough is free.
void Ingestor::give_up_tables() {
  shrink(deferred_before_);
  shrink(row_buffer_);
  writer_.shrink();
  const std::size_t at_once = std::max<std::size_t>(1, (tables_.size() + kSteps - 1) / kSteps);
  while (tables_.size() > 0 && budget_.measure() > MemoryBudget::low_water()) {
    tables_.evict(at_once);
    plans_.sweep();
    templates_.sweep();
  }
}

}  // namespace influx::ingest
