#include "influx/postgres/session.h"

extern "C" {
#include "commands/prepare.h"
#include "commands/trigger.h"
#include "utils/portal.h"
}

namespace influx::postgres {

namespace {

int settings_level = 0;
bool temporary_objects = false;  ///< there may be some

}  // namespace

void survive_errors() {
  SetConfigOption("exit_on_error", "off", PGC_USERSET, PGC_S_OVERRIDE);
}

void guard_settings() {
  settings_level = NewGUCNestLevel();
}

void restore_settings() {
  // Deferred triggers are code of users.
  AfterTriggerFireDeferred();
  AtEOXact_GUC(false, settings_level);
}

void note_leftovers() noexcept {
  if ((MyXactFlags & XACT_FLAGS_ACCESSEDTEMPNAMESPACE) != 0) temporary_objects = true;
}

void discard_leftovers() {
  PortalHashTableDeleteAll();
  DropAllPreparedStatements();
  if (!temporary_objects) return;
  StartTransactionCommand();
  // Rows of the catalogs may have parts that lie elsewhere, and are read with a snapshot.
  PushActiveSnapshot(GetTransactionSnapshot());
  ResetTempTableNamespace();
  PopActiveSnapshot();
  CommitTransactionCommand();
  temporary_objects = false;
}

void release_advisory_locks() {
  LockReleaseAll(USER_LOCKMETHOD, true);
}

}  // namespace influx::postgres
