#include "influx/schema/table_cache.h"

#include "influx/postgres/catalog.h"
#include "influx/postgres/text.h"

namespace influx::schema {

namespace {

/// So many tables that have changed are kept in any case: most are asked for again at once.
constexpr std::size_t kMostStale = 100;

}  // namespace

// All caches of this process, for the one callback that the server allows us to register for good.
constinit TableCache* TableCache::first_cache_ = nullptr;

TableCache::TableCache(Oid namespace_oid, bool waits_for_locks)
    : namespace_oid_(namespace_oid), waits_for_locks_(waits_for_locks) {
  static bool registered = false;
  if (!registered) {
    CacheRegisterRelcacheCallback(on_relation_change, 0);
    registered = true;
  }
  next_cache_ = first_cache_;
  first_cache_ = this;
}

TableCache::~TableCache() {
  TableCache** link = &first_cache_;
  while (*link != this)
    link = &(*link)->next_cache_;
  *link = next_cache_;
}

// Called by the server in the middle of its own work: sets flags, nothing else.
void TableCache::on_relation_change(Datum, Oid relation_oid) {
  for (TableCache* cache = first_cache_; cache != nullptr; cache = cache->next_cache_) {
    if (relation_oid == InvalidOid) {
      for (const auto& [oid, table] : cache->by_oid_)
        cache->mark_stale(table);
      continue;
    }
    const auto [first, last] = cache->by_oid_.equal_range(relation_oid);
    for (auto entry = first; entry != last; ++entry)
      cache->mark_stale(entry->second);
  }
}

void TableCache::mark_stale(const std::weak_ptr<Table>& table) noexcept {
  const auto held = table.lock();
  if (held == nullptr || !held->current) return;
  held->current = false;
  ++stale_;
}

const std::shared_ptr<Table>& TableCache::find(std::string_view measurement) {
  const auto known = tables_.find(measurement);
  if (known != tables_.end()) {
    if (known->second->current) return known->second;
    forget(known->second);
    tables_.erase(known);
  }

  const Oid relation_oid =
      postgres::find_relation(postgres::server_string(measurement), namespace_oid_);
  if (relation_oid == InvalidOid) return missing_;

  std::shared_ptr<Table> table = Table::describe(measurement, relation_oid, waits_for_locks_);
  if (table == nullptr) return missing_;
  by_oid_.emplace(relation_oid, table);
  return tables_.emplace(measurement, std::move(table)).first->second;
}

Oid TableCache::known(std::string_view measurement) const noexcept {
  const auto known = tables_.find(measurement);
  return known != tables_.end() && known->second->current ? known->second->oid : InvalidOid;
}

// A table that is not current any more. It may be known under two names for a while, after it was
// renamed.
void TableCache::forget(const std::shared_ptr<Table>& table) {
  const auto [first, last] = by_oid_.equal_range(table->oid);
  const auto entry =
      std::find_if(first, last, [&](const auto& item) { return item.second.lock() == table; });
  if (entry == last) return;
  by_oid_.erase(entry);
  --stale_;
}

bool TableCache::sweep() {
  if (stale_ < kMostStale || stale_ < tables_.size() / 2) return false;
  std::erase_if(tables_, [](const auto& known) { return !known.second->current; });
  std::erase_if(by_oid_, [](const auto& known) {
    return known.second.expired() || !known.second.lock()->current;
  });
  stale_ = 0;
  return true;
}

void TableCache::clear() {
  tables_.clear();
  by_oid_.clear();
  stale_ = 0;
}

}  // namespace influx::schema
