#pragma once

#include "influx/schema/table.h"

namespace influx::schema {

/// The tables of one schema by measurement, described once and again after each change.
///
/// What the server announces (ALTER, DROP, RENAME, GRANT... of the table, of its schema, of the
/// types of its columns) marks descriptions as stale; the next find() makes a new one.
/// Announcements arrive when a transaction starts and when a lock is taken.
class TableCache {
 public:
  /// `namespace_oid` is the schema. Where not `waits_for_locks`, a table that cannot be described
  /// for being locked is an error (lock_not_available).
  TableCache(Oid namespace_oid, bool waits_for_locks);
  ~TableCache();
  TableCache(const TableCache&) = delete;
  TableCache& operator=(const TableCache&) = delete;

  /// The table of `measurement` (UTF-8), described as it is now, or null where the schema has no
  /// relation of that name. The pointer stays valid until the next call of find() or clear().
  /// REQUIRES: a transaction, and a name that fits_name(). Raises.
  const std::shared_ptr<Table>& find(std::string_view measurement);

  /// The table of `measurement`, as far as find() has seen it; InvalidOid where it has not, or
  /// where the table has changed since.
  Oid known(std::string_view measurement) const noexcept;

  /// Forgets the tables that have changed or gone since they were described, once these are many:
  /// those that nobody asks for again would stay. Returns whether it has forgotten any.
  bool sweep();

  /// Forgets the tables that belong to an extension: nobody is told when they do so no more. To be
  /// called after each batch.
  void forget_members();

  /// Forgets `count` tables: those that were used least recently, by Table::last_used; of tables
  /// that were used at the same time the widest first. They are not current any more.
  void evict(std::size_t count);

  std::size_t size() const noexcept { return tables_.size(); }

  /// Forgets all tables, as after a change of settings.
  void clear();

 private:
  void forget(const std::shared_ptr<Table>& table);
  void forget_stale();
  void mark_stale(const std::weak_ptr<Table>& table) noexcept;
  void mark_dependents_stale(Dependency dependency) noexcept;
  void mark_all_stale() noexcept;
  static void on_relation_change(Datum argument, Oid relation_oid);
  static void on_object_change(Datum argument, int cache, uint32 hash);
  static void on_role_change(Datum argument, int cache, uint32 hash);

  Oid namespace_oid_;
  bool waits_for_locks_;
  std::unordered_map<std::string, std::shared_ptr<Table>, line_protocol::NameHash, std::equal_to<>>
      tables_;
  std::unordered_multimap<Dependency, std::weak_ptr<Table>> by_dependency_;
  std::size_t stale_ = 0;             ///< of those in by_dependency_
  std::vector<std::string> members_;  ///< the tables that belong to an extension
  std::shared_ptr<Table> missing_;    ///< always null
  TableCache* next_cache_ = nullptr;

  static TableCache* first_cache_;
};

}  // namespace influx::schema
