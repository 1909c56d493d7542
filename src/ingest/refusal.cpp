#include "influx/ingest/refusal.h"

#include "influx/postgres/text.h"
#include "influx/schema/membership.h"

namespace influx::ingest {

Refusal refusal_of(const line_protocol::ParseError& error) {
  Refusal refusal;
  refusal.sqlstate = ERRCODE_INVALID_TEXT_REPRESENTATION;
  refusal.message = postgres::c_string(line_protocol::describe(error.code));
  refusal.position = error.position;
  return refusal;
}

Refusal refusal_of(const schema::Objection& objection) {
  Refusal refusal;
  refusal.sqlstate = objection.sqlstate;
  refusal.message = objection.message;
  refusal.detail = objection.detail;
  refusal.hint = objection.hint;
  return refusal;
}

Refusal refusal_of(const ErrorData& error) {
  Refusal refusal;
  refusal.sqlstate = error.sqlerrcode;
  refusal.message = error.message;
  refusal.detail = error.detail;
  refusal.hint = error.hint;
  return refusal;
}

RefusalKind kind_of(const Refusal& refusal) noexcept {
  if (refusal.position.has_value()) return RefusalKind::kMalformed;
  switch (refusal.sqlstate) {
    case ERRCODE_INSUFFICIENT_PRIVILEGE:
    case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
      return RefusalKind::kPermission;
    case schema::kMemberSqlstate:
      return RefusalKind::kExtension;
    case ERRCODE_LOCK_NOT_AVAILABLE:
      return RefusalKind::kLocked;
    case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
      return RefusalKind::kLimit;
    case ERRCODE_DATATYPE_MISMATCH:
    case ERRCODE_CANNOT_COERCE:
      return RefusalKind::kValue;
    case ERRCODE_INVALID_SCHEMA_NAME:
    case ERRCODE_OBJECT_IN_USE:
      return RefusalKind::kTable;
    default:
      break;
  }
  switch (ERRCODE_TO_CATEGORY(refusal.sqlstate)) {
    case ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION):
      return RefusalKind::kValue;
    case ERRCODE_TO_CATEGORY(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION):
      return RefusalKind::kConstraint;
    case ERRCODE_TO_CATEGORY(ERRCODE_PROGRAM_LIMIT_EXCEEDED):
      return RefusalKind::kLimit;
    case ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION):
      return RefusalKind::kTable;
    default:
      return RefusalKind::kOther;
  }
}

const char* kind_name(RefusalKind kind) noexcept {
  static constexpr const char* kNames[kRefusalKinds] = {"malformed",  "value",     "constraint",
                                                        "permission", "table",     "limit",
                                                        "locked",     "extension", "other"};
  return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace influx::ingest
