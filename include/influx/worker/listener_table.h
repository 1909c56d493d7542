#pragma once

#include "influx/postgres/server.h"

namespace influx::worker {

/// The name of the extension's table of listeners.
inline constexpr const char* kListenerTable = "influx_listeners";

/// Columns of a listener that take the place of a setting, and the settings.
struct Override {
  const char* column;
  const char* setting;
};
inline constexpr Override kOverrides[] = {{"address", "influx.listen_addresses"},
                                          {"batch_size", "influx.batch_size"},
                                          {"batch_timeout", "influx.batch_timeout"},
                                          {"read_buffer", "influx.read_buffer"},
                                          {"allowed_sources", "influx.allowed_sources"}};

/// A row of the table. Plain data; the texts are of the server's encoding.
struct ListenerRow {
  const char* name;
  const char* schema;
  const char* role;
  const char* service;
  const char* precision;
  int workers;
  bool enabled;
  const char* overrides[lengthof(kOverrides)];  ///< as values of the settings; nullptr for NULL

  /// A number that tells these overrides from others.
  std::uint64_t overrides_hash() const noexcept;
};

/// The table as it is now.
struct ListenerTable {
  Oid owner = InvalidOid;  ///< of the table; InvalidOid where there is none
  std::span<ListenerRow> rows;

  /// The row of this name, or nullptr.
  const ListenerRow* find(const char* name) const noexcept;
};

/// Reads the table of listeners of the current database into the current memory context. False
/// where somebody has it locked, and `wait` is not set.
///
/// The rows are read as they are on the disk, without a query: nothing that the owner of the table
/// could put between, as a policy or a rule, is run by the process that reads them. No right on the
/// table is needed. REQUIRES: a transaction with a snapshot. Raises, also where the table is not
/// what the extension has made.
bool read_listener_table(bool wait, ListenerTable* table);

}  // namespace influx::worker
