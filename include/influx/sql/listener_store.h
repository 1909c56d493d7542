#pragma once

#include "influx/sql/listener_definition.h"

namespace influx::sql {

/// The table influx_listeners of the extension, locked against others who change it. It is read and
/// written as its owner: callers need no right on it, and who may change which row is for the
/// functions to check. Plain data.
///
/// All members REQUIRE SPI connected, and raise. Rows that they return are good until SPI_finish().
class ListenerStore {
 public:
  /// Locks it until the end of the transaction. Readers are not held up.
  ListenerStore();

  /// The listener of this name. Raises where there is none.
  ListenerDefinition find(const char* name) const;
  /// The others that are enabled, in the order of their names; of more than max_worker_processes
  /// that many and one.
  std::span<const ListenerDefinition> others(const char* name) const;

  /// Adds a listener. Raises where there is one of its name.
  void insert(const ListenerDefinition& listener) const;
  /// Replaces the row of the same name.
  void update(const ListenerDefinition& listener) const;
  void remove(const char* name) const;

 private:
  /// Runs a statement as the owner of the table, with a name as its parameter.
  void execute(const char* sql, const char* name, int expected) const;
  std::span<const ListenerDefinition> select(const char* condition, const char* name,
                                             int most) const;
  /// Runs a statement that changes one row, with the values of `listener` as parameters.
  void change(const char* sql, const ListenerDefinition& listener, int expected) const;

  Oid table_;
  const char* qualified_name_;
  Oid owner_;
};

}  // namespace influx::sql
