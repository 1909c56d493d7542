#include "influx/worker/overrides.h"

#include "influx/postgres/transaction.h"
#include "influx/worker/listener_table.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

namespace {

/// Which of kOverrides this process has in place.
bool overridden[lengthof(kOverrides)];

/// A session's value counts before those of the configuration, the database and the role. `value`
/// is nullptr to give way to them. One that is not valid is a report of `level`; false where that
/// is no error.
bool set_for_process(const char* setting, const char* value, int level) {
  return set_config_option(setting, value, PGC_SIGHUP, PGC_S_SESSION, GUC_ACTION_SET, true, level,
                           false) != 0;
}

/// Keeps the row of one listener, in a memory context. A table that has lost its primary key may
/// have the name twice: the first one that is enabled counts, as for the supervisor.
class RowOfListener final : public ListenerSink {
 public:
  RowOfListener(const char* name, MemoryContext memory) noexcept : name_(name), memory_(memory) {}

  bool wants(const char* name, bool enabled) override {
    return (!found_ || (enabled && !row_.enabled)) && std::strcmp(name, name_) == 0;
  }
  void take(const ListenerRow& row, Oid) override {
    found_ = true;
    row_ = row;
    for (const char*& value : row_.overrides) {
      if (value != nullptr) value = MemoryContextStrdup(memory_, value);
    }
  }
  /// Its overrides are there, and whether it is enabled. nullptr where there is none.
  const ListenerRow* row() const noexcept { return found_ ? &row_ : nullptr; }

 private:
  const char* name_;
  MemoryContext memory_;
  ListenerRow row_{};
  bool found_ = false;
};

}  // namespace

bool is_overridden(const char* setting) noexcept {
  for (std::size_t i = 0; i < lengthof(kOverrides); ++i) {
    if (std::strcmp(kOverrides[i].setting, setting) == 0) return overridden[i];
  }
  return false;
}

void take_overrides(const LaunchArguments& arguments, Registration& registration, bool starts) {
  if (!arguments.supervised) return;
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx overrides", ALLOCSET_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(memory);
  postgres::begin_transaction();
  RowOfListener found(registration.listener(), memory);
  const bool was_read = read_listener_table(starts, &found);
  postgres::commit_transaction();

  const ListenerRow* row = found.row();
  if (row != nullptr) {
    for (std::size_t i = 0; i < lengthof(kOverrides); ++i) {
      if (set_for_process(kOverrides[i].setting, row->overrides[i], starts ? ERROR : WARNING)) {
        overridden[i] = row->overrides[i] != nullptr;
        continue;
      }
      registration.note_failure(ERRCODE_INVALID_PARAMETER_VALUE,
                                psprintf("invalid value for parameter \"%s\": \"%s\"",
                                         kOverrides[i].setting, row->overrides[i]));
    }
    registration.note_overrides(row->overrides_hash());
  }
  MemoryContextSwitchTo(before);
  MemoryContextDelete(memory);
  if (!was_read) wake_supervisor(MyDatabaseId, false);
}

}  // namespace influx::worker
