#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// What a new table looks like.
enum Layout : int {
  kLayoutColumns,  ///< a column for each tag and field
  kLayoutJson,     ///< tags and fields as jsonb
};

/// What becomes of lines that are not stored.
enum RejectsSetting : int {
  kRejectsTable,  ///< kept in the table influx_rejects
  kRejectsLog,    ///< written to the server log
  kRejectsOff,    ///< counted only
};

/// What becomes of a point whose key is in its table already.
enum OnConflictSetting : int {
  kOnConflictMerge,    ///< it updates the fields that it brings
  kOnConflictNothing,  ///< the row stays as it is
  kOnConflictError,    ///< the point is refused
};

/// Where INSERT finds the rows of a batch.
enum RowSourceSetting : int {
  kRowSourceAuto,    ///< a named tuplestore, or arrays where the planner refuses it
  kRowSourceArrays,  ///< always arrays; for tests
};

/// The settings `influx.*`, as docs/settings.md describes them. Read them where they are used, so
/// that a reload takes effect; never keep the pointers across a call that may reload.
struct Settings {
  char* listen_addresses;
  char* allowed_sources;
  int read_buffer;             ///< kB
  int max_pending;             ///< kB
  int max_memory;              ///< kB
  int batch_size;              ///< rows
  int batch_bytes;             ///< kB
  int batch_timeout;           ///< ms
  int restart_time;            ///< s, or -1 for never
  int max_listeners_per_role;  ///< processes
  int reserved_workers;        ///< of max_worker_processes
  bool auto_create;
  bool auto_extend;
  int max_tables;   ///< of a schema
  int max_columns;  ///< of a table, dropped ones too
  int layout;       ///< Layout
  char* time_column;
  int max_ddl_rate;      ///< tables and columns a second, for each sender
  int lock_timeout;      ///< ms
  int extend_timeout;    ///< s
  int rejects;           ///< RejectsSetting
  int max_rejects;       ///< rows
  int max_reject_rate;   ///< rows a second
  int max_reject_bytes;  ///< kB
  bool dump_rejects;
  int on_conflict;  ///< OnConflictSetting
  int row_source;   ///< RowSourceSetting
  bool notify;
  int log_interval;  ///< s, or 0 for never
  char* databases;   ///< with a supervisor; the same until the server ends
};

extern Settings settings;

/// Defines the settings and reserves their prefix. Called once, when the module is loaded.
void define_settings();

/// Raises where setting `name` of the server, or one of ours, would not take `value`, with the
/// error that the server would have for it in the configuration file.
void check_setting(const char* name, const char* value);

/// Whether the current user is allowed to give setting `name` a value where only an administrator
/// may: a superuser, or a role that was granted SET on it.
bool may_set(const char* name);

/// Splits the list in `value` as the server splits its own lists of addresses: names keep their
/// case. Returns a List of char *, in the current memory context; NIL for an empty list. False on a
/// syntax error.
bool split_list(const char* value, List** elements);

}  // namespace influx::postgres
