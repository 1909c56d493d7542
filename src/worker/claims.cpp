#include "influx/worker/claims.h"

#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/worker/signals.h"

namespace influx::worker {

namespace {

bool may_see(const Claimant& claimant) {
  return has_privs_of_role(GetUserId(), claimant.arguments.role) ||
         has_privs_of_role(GetUserId(), ROLE_PG_MONITOR);
}

/// Who a listener is, as far as names in shared memory and the catalog tell. Plain data.
struct Description {
  char name[256];
  char details[256];
};

void describe(const Claimant& claimant, Description* description) {
  const LaunchArguments& arguments = claimant.arguments;
  const char* database = get_database_name(arguments.database);
  const char* role = GetUserNameFromId(arguments.role, true);
  if (claimant.listener[0] != '\0') {
    snprintf(description->name, sizeof(description->name), "listener \"%s\" of database \"%s\"",
             postgres::readable(claimant.listener, arguments.encoding),
             database == nullptr ? "?" : database);
  } else {
    snprintf(description->name, sizeof(description->name),
             "a listener for schema \"%s\" of database \"%s\"",
             postgres::readable(arguments.schema, arguments.encoding),
             database == nullptr ? "?" : database);
  }
  const std::string_view precision = line_protocol::name_of(arguments.precision);
  snprintf(description->details, sizeof(description->details),
           "It stores in schema \"%s\" as role \"%s\", with precision %.*s",
           postgres::readable(arguments.schema, arguments.encoding), role == nullptr ? "?" : role,
           static_cast<int>(precision.size()), precision.data());
}

/// Describes the claimant, if the user of this process may see it, and nobody has a catalog locked.
bool look(const Claimant& claimant, Description* description) {
  const postgres::BriefLockWait brief;
  bool visible = false;
  allow_cancel();  // which is also what ends a wait for a lock
  try {
    visible = postgres::guard([&] {
      postgres::begin_transaction();
      const bool may = may_see(claimant);
      if (may) describe(claimant, description);
      postgres::commit_transaction();
      return may;
    });
  } catch (const postgres::ServerError&) {
    postgres::guard([] { postgres::abort_transaction(); });
  }
  forbid_cancel();
  return visible;
}

}  // namespace

bool is_same_listener(const LaunchArguments& left, const LaunchArguments& right) noexcept {
  return left.database == right.database && left.namespace_oid == right.namespace_oid &&
         left.role == right.role && left.precision == right.precision;
}

postgres::Error claimed_error(const Claimant& claimant) {
  Description description{};
  const bool visible = look(claimant, &description);
  const std::string socket = claimant.asked_for.endpoint().text();
  if (!visible) {
    return {ERRCODE_OBJECT_IN_USE,
            "could not listen on " + socket + ": a listener of another role has it",
            {},
            "Choose another port or address."};
  }
  return {ERRCODE_OBJECT_IN_USE,
          "could not listen on " + socket + ": " + description.name + " has it",
          std::string(description.details) + ", and listens on " +
              claimant.its_own.endpoint().text() + ".",
          "Choose another port or address, or stop that listener."};
}

}  // namespace influx::worker
