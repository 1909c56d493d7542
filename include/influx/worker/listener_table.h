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

/// Who takes rows of the table, of which there may be any number. Plain data: errors pass through.
class ListenerSink {
 public:
  virtual ~ListenerSink() = default;

  /// Whether the row of this name is to be read.
  virtual bool wants(const char* name, bool enabled) = 0;
  /// Takes a row, which is gone afterwards. `owner` is that of the table.
  virtual void take(const ListenerRow& row, Oid owner) = 0;
};

/// Reads the table of listeners of the current database. False where somebody has it locked, and
/// `wait` is not set. Without a table there are no rows.
///
/// The rows are read as they are on the disk, without a query: nothing that the owner of the table
/// could put between, as a policy or a rule, is run by the process that reads them. No right on the
/// table is needed. Of the rows one is in memory at a time, and the server's interrupts are seen at
/// each. REQUIRES: a transaction with a snapshot. Raises, also where the table is not what the
/// extension has made.
bool read_listener_table(bool wait, ListenerSink* sink);

}  // namespace influx::worker
