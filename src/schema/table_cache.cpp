#include "influx/schema/table_cache.h"

#include "influx/postgres/text.h"

namespace influx::schema {

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
      for (auto& [oid, table] : cache->by_oid_) {
        if (auto held = table.lock()) held->current = false;
      }
      continue;
    }
    const auto [first, last] = cache->by_oid_.equal_range(relation_oid);
    for (auto entry = first; entry != last; ++entry) {
      if (auto held = entry->second.lock()) held->current = false;
    }
  }
}

const std::shared_ptr<Table>& TableCache::find(std::string_view measurement) {
  const auto known = tables_.find(measurement);
  if (known != tables_.end()) {
    if (known->second->current) return known->second;
    forget(known->second);
    tables_.erase(known);
  }

  const Oid relation_oid = get_relname_relid(postgres::server_string(measurement), namespace_oid_);
  if (relation_oid == InvalidOid) return missing_;

  std::shared_ptr<Table> table = Table::describe(measurement, relation_oid, waits_for_locks_);
  if (table == nullptr) return missing_;
  by_oid_.emplace(relation_oid, table);
  return tables_.emplace(measurement, std::move(table)).first->second;
}

// A table may be known under two names for a while, after it was renamed.
void TableCache::forget(const std::shared_ptr<Table>& table) {
  const auto [first, last] = by_oid_.equal_range(table->oid);
  const auto entry =
      std::find_if(first, last, [&](const auto& item) { return item.second.lock() == table; });
  if (entry != last) by_oid_.erase(entry);
}

void TableCache::clear() {
  tables_.clear();
  by_oid_.clear();
}

}  // namespace influx::schema
