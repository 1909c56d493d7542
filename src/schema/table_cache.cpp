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
    CacheRegisterSyscacheCallback(NAMESPACEOID, on_object_change, 0);
    CacheRegisterSyscacheCallback(TYPEOID, on_object_change, 0);
    // Rights may come by way of a role, or of a membership.
    for (const SysCacheIdentifier cache : {AUTHOID, AUTHMEMROLEMEM})
      CacheRegisterSyscacheCallback(cache, on_role_change, 0);
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

// Called by the server in the middle of its own work: these set flags, nothing else.

void TableCache::on_relation_change(Datum, Oid relation_oid) {
  for (TableCache* cache = first_cache_; cache != nullptr; cache = cache->next_cache_) {
    if (relation_oid == InvalidOid) {
      cache->mark_all_stale();
    } else {
      cache->mark_dependents_stale(on_relation(relation_oid));
    }
  }
}

void TableCache::on_object_change(Datum, int cache_id, uint32 hash) {
  for (TableCache* cache = first_cache_; cache != nullptr; cache = cache->next_cache_) {
    if (hash == 0) {
      cache->mark_all_stale();
    } else {
      cache->mark_dependents_stale(on_object(cache_id, hash));
    }
  }
}

void TableCache::mark_dependents_stale(Dependency dependency) noexcept {
  const auto [first, last] = by_dependency_.equal_range(dependency);
  for (auto entry = first; entry != last; ++entry)
    mark_stale(entry->second);
}

void TableCache::mark_all_stale() noexcept {
  for (const auto& [dependency, table] : by_dependency_)
    mark_stale(table);
}

void TableCache::on_role_change(Datum, int, uint32) {
  for (TableCache* cache = first_cache_; cache != nullptr; cache = cache->next_cache_)
    cache->mark_all_stale();
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

  std::shared_ptr<Table> table =
      Table::describe(measurement, namespace_oid_, relation_oid, waits_for_locks_);
  if (table == nullptr) return missing_;
  for (const Dependency dependency : table->dependencies)
    by_dependency_.emplace(dependency, table);
  if (table->extension != InvalidOid) members_.emplace_back(measurement);
  return tables_.emplace(measurement, std::move(table)).first->second;
}

Oid TableCache::known(std::string_view measurement) const noexcept {
  const auto known = tables_.find(measurement);
  return known != tables_.end() && known->second->current ? known->second->oid : InvalidOid;
}

// A table that is not current any more. It may be known under two names for a while, after it was
// renamed.
void TableCache::forget(const std::shared_ptr<Table>& table) {
  for (const Dependency dependency : table->dependencies) {
    const auto [first, last] = by_dependency_.equal_range(dependency);
    const auto entry =
        std::find_if(first, last, [&](const auto& item) { return item.second.lock() == table; });
    if (entry != last) by_dependency_.erase(entry);
  }
  if (!table->current) --stale_;
}

void TableCache::forget_members() {
  for (const std::string& measurement : members_) {
    const auto known = tables_.find(measurement);
    if (known == tables_.end() || known->second->extension == InvalidOid) continue;
    forget(known->second);
    tables_.erase(known);
  }
  members_.clear();
}

bool TableCache::sweep() {
  if (stale_ < kMostStale || stale_ < tables_.size() / 2) return false;
  forget_stale();
  return true;
}

/// Forgets all tables that have changed or gone.
void TableCache::forget_stale() {
  std::erase_if(tables_, [](const auto& known) { return !known.second->current; });
  std::erase_if(by_dependency_, [](const auto& known) {
    return known.second.expired() || !known.second.lock()->current;
  });
  stale_ = 0;
}

void TableCache::evict(std::size_t count) {
  using Known = decltype(tables_)::iterator;
  std::vector<Known> oldest;
  oldest.reserve(tables_.size());
  for (auto known = tables_.begin(); known != tables_.end(); ++known)
    oldest.push_back(known);
  count = std::min(count, oldest.size());
  const auto rank = [](const Known& known) {
    const Table& table = *known->second;
    return std::pair(table.last_used, -static_cast<std::ptrdiff_t>(table.columns.size()));
  };
  std::nth_element(oldest.begin(), oldest.begin() + static_cast<std::ptrdiff_t>(count),
                   oldest.end(),
                   [&](const Known& one, const Known& other) { return rank(one) < rank(other); });
  oldest.resize(count);
  for (const Known& known : oldest)
    mark_stale(known->second);
  forget_stale();
}

void TableCache::clear() {
  tables_.clear();
  by_dependency_.clear();
  members_.clear();
  stale_ = 0;
}

}  // namespace influx::schema
