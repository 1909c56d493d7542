#include "influx/ingest/attempt.h"

namespace influx::ingest {

postgres::Error error_of(const ErrorData& report) noexcept {
  const auto text = [](const char* part) { return part == nullptr ? "" : part; };
  return {report.sqlerrcode, text(report.message), text(report.detail), text(report.hint)};
}

Refusal refusal_of(const postgres::Error& error) {
  const auto text = [](const char* part) { return *part == '\0' ? nullptr : part; };
  Refusal refusal;
  refusal.sqlstate = error.sqlstate();
  refusal.message = error.what();
  refusal.detail = text(error.detail());
  refusal.hint = text(error.hint());
  return refusal;
}

}  // namespace influx::ingest
