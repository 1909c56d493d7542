#include "influx/ingest/memory_budget.h"

#include "influx/postgres/memory.h"
#include "influx/postgres/settings.h"

namespace influx::ingest {

MemoryBudget::MemoryBudget() noexcept : at_first_(postgres::memory_in_use()) {}

std::size_t MemoryBudget::limit() noexcept {
  return static_cast<std::size_t>(postgres::settings.max_memory) * 1024;
}

std::size_t MemoryBudget::measure() noexcept {
  const std::size_t now = postgres::memory_in_use();
  // Where plans are made and given up, what is free lies between what is not.
  if (postgres::private_memory() > now + limit() / 2) postgres::give_back_memory();
  const std::size_t before = at_first_ + aside_;
  const std::size_t taken = now > before ? now - before : 0;
  spent_ = 0;
  exceeded_ = exceeded_ || taken > limit() + extra_;
  return taken;
}

void MemoryBudget::settle() noexcept {
  const std::size_t wanted = measure() + limit() / 4;
  extra_ = wanted > limit() ? wanted - limit() : 0;
  exceeded_ = false;
}

}  // namespace influx::ingest
