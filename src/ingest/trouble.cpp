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
    case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
      return Trouble::kRow;  // a limit of ours
    case ERRCODE_READ_ONLY_SQL_TRANSACTION:
    case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
    case ERRCODE_FDW_OUT_OF_MEMORY:
      return Trouble::kOutside;
    default:
      break;
  }
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK):
      return Trouble::kMoment;
    case ERRCODE_TO_CATEGORY(ERRCODE_CONNECTION_EXCEPTION):
    case ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES):
    case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):  // of another server, as it ends
    case ERRCODE_TO_CATEGORY(ERRCODE_SYSTEM_ERROR):
      return Trouble::kOutside;
    default:
      return Trouble::kRow;
  }
}

bool may_last(int sqlstate) noexcept {
  switch (sqlstate) {
    case ERRCODE_DISK_FULL:
    case ERRCODE_READ_ONLY_SQL_TRANSACTION:
    case ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION:
      return true;
    default:
      break;
  }
  switch (ERRCODE_TO_CATEGORY(sqlstate)) {
    case ERRCODE_TO_CATEGORY(ERRCODE_CONNECTION_EXCEPTION):
    case ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION):
      return true;
    default:
      return false;
  }
}

}  // namespace influx::ingest
