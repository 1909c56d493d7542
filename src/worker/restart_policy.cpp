#include "influx/worker/restart_policy.h"

#include "influx/postgres/server.h"
#include "influx/transport/clock.h"

namespace influx::worker {

bool may_pass(int sqlstate) noexcept {
  switch (sqlstate) {
    case ERRCODE_UNDEFINED_DATABASE:
    case ERRCODE_UNDEFINED_SCHEMA:
    case ERRCODE_UNDEFINED_OBJECT:  // no such role
    case ERRCODE_RESERVED_NAME:
    case ERRCODE_INVALID_PARAMETER_VALUE:              // no such service, or precision
    case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:  // no such role, or it may not log in
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
    case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:  // the database does not accept connections
      return false;
    default:
      return true;
  }
}

int seconds_to_restart(int failures, int restart_time) noexcept {
  const int longest = std::max(kLongestRestartTime, restart_time);
  if (failures <= 1) return restart_time;
  return static_cast<int>(transport::back_off(std::max(restart_time, 1), longest, failures));
}

int seconds_to_supervised_restart(int failures, int restart_time, int sqlstate) noexcept {
  if (restart_time < 0) return -1;
  if (!may_pass(sqlstate)) return std::max(kLongestRestartTime, restart_time);
  return seconds_to_restart(failures, restart_time);
}

}  // namespace influx::worker
