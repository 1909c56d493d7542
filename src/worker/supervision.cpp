#include "influx/worker/supervision.h"

#include "influx/schema/own_relation.h"
#include "influx/worker/listener_table.h"
#include "influx/worker/supervisors.h"

namespace influx::worker {

namespace {

bool wake_at_commit = false;

void on_transaction_event(XactEvent event, void*) {
  switch (event) {
    case XACT_EVENT_COMMIT:
    case XACT_EVENT_PARALLEL_COMMIT:
      if (std::exchange(wake_at_commit, false)) wake_supervisor(MyDatabaseId, true);
      break;
    case XACT_EVENT_ABORT:
    case XACT_EVENT_PARALLEL_ABORT:
      wake_at_commit = false;
      break;
    case XACT_EVENT_PRE_PREPARE:
      if (!wake_at_commit) break;
      ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                      errmsg("cannot prepare a transaction that has changed influx_listeners"),
                      errhint("Commit it by COMMIT.")));
      break;
    default:
      break;
  }
}

bool is_named() {
  const char* name = get_database_name(MyDatabaseId);
  const ListCell* cell = nullptr;
  foreach (cell, supervised_databases()) {
    if (name != nullptr && std::strcmp(name, static_cast<const char*>(lfirst(cell))) == 0)
      return true;
  }
  return false;
}

object_access_hook_type next_access_hook = nullptr;

bool is_listener_table(Oid relation) {
  const char* name = get_rel_name(relation);
  return name != nullptr && std::strcmp(name, kListenerTable) == 0 &&
         schema::own_relation(kListenerTable) == relation;
}

void on_object_access(ObjectAccessType access, Oid class_id, Oid object, int column,
                      void* argument) {
  if (next_access_hook != nullptr) next_access_hook(access, class_id, object, column, argument);
  if (access != OAT_DROP && access != OAT_POST_ALTER) return;
  if (class_id == RelationRelationId && column == 0 && is_listener_table(object))
    wake_supervisor_at_commit();
}

}  // namespace

Supervision supervision() {
  if (!is_preloaded()) return Supervision::kNotPreloaded;
  for (const SupervisorSlot& slot : supervisors()) {
    if (slot.database.load() == MyDatabaseId && slot.pid.load() != 0) return Supervision::kOn;
  }
  return is_named() ? Supervision::kOff : Supervision::kNotNamed;
}

void wake_supervisor_at_commit() {
  if (wake_at_commit || supervisors().empty()) return;
  static bool registered = false;
  if (!registered) RegisterXactCallback(on_transaction_event, nullptr);
  registered = true;
  wake_at_commit = true;
}

void watch_listener_table() {
  next_access_hook = std::exchange(object_access_hook, on_object_access);
}

}  // namespace influx::worker
