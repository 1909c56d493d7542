#include "influx/ingest/refusal.h"

#include "influx/postgres/text.h"

namespace influx::ingest {

Refusal refusal_of(const line_protocol::ParseError& error) {
  Refusal refusal;
  refusal.sqlstate = ERRCODE_INVALID_TEXT_REPRESENTATION;
  refusal.message = postgres::c_string(line_protocol::describe(error.code));
  refusal.position = error.position;
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

}  // namespace influx::ingest
