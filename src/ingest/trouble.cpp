#include "influx/ingest/trouble.h"

#include "influx/postgres/server.h"

namespace influx::ingest {

Trouble trouble_of(int sqlstate) noexcept {
  switch (sqlstate) {
    case ERRCODE_LOCK_NOT_AVAILABLE:
      return Trouble::kLock;
    case ERRCODE_QUERY_CANCELED:
    case ERRCODE_INVALID_COLUMN_REFERENCE:  // the index that ON CONFLICT names is being dropped
      return Trouble::kMoment;
    case ERRCODE_READ_ONLY_SQL_TRANSACTION:
      return Trouble::kServer;
    case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
      return Trouble::kRow;  // a limit of ours
    default:
      break;
  }
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
      return Trouble::kMoment;
    case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
    case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
      return Trouble::kServer;
    default:
      return Trouble::kRow;
  }
}

bool is_outside_of_rows(int sqlstate) noexcept {
  return sqlstate == ERRCODE_DISK_FULL || sqlstate == ERRCODE_READ_ONLY_SQL_TRANSACTION;
}

}  // namespace influx::ingest
