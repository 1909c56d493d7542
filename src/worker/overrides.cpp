#include "influx/worker/overrides.h"

#include "influx/postgres/transaction.h"
#include "influx/worker/listener_table.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

namespace {

/// A session's value counts before those of the configuration, the database and the role. `value`
/// is nullptr to give way to them.
void set_for_process(const char* setting, const char* value) {
  set_config_option(setting, value, PGC_SIGHUP, PGC_S_SESSION, GUC_ACTION_SET, true, WARNING,
                    false);
}

}  // namespace

void take_overrides(const LaunchArguments& arguments, Registration& registration, bool wait) {
  if (!arguments.supervised) return;
  MemoryContext memory =
      AllocSetContextCreate(CurrentMemoryContext, "influx overrides", ALLOCSET_SMALL_SIZES);
  MemoryContext before = MemoryContextSwitchTo(memory);
  postgres::begin_transaction();
  ListenerTable table;
  const bool was_read = read_listener_table(wait, &table);
  postgres::commit_transaction();

  const ListenerRow* row = table.find(registration.listener());
  if (row != nullptr) {
    for (std::size_t i = 0; i < lengthof(kOverrides); ++i)
      set_for_process(kOverrides[i].setting, row->overrides[i]);
    registration.note_overrides(row->overrides_hash());
  }
  MemoryContextSwitchTo(before);
  MemoryContextDelete(memory);
  if (!was_read) wake_supervisor(MyDatabaseId, false);
}

}  // namespace influx::worker
