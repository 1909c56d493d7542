#include "influx/postgres/error.h"

#include "influx/postgres/text.h"

namespace influx::postgres {

MemoryContext error_context() {
  static MemoryContext context = nullptr;
  if (context == nullptr) {
    context = AllocSetContextCreate(TopMemoryContext, "influx errors", ALLOCSET_SMALL_SIZES);
  }
  return context;
}

ServerError::ServerError(ErrorData* report)
    : report_(new ErrorData*(report), [](ErrorData** held) {
        if (*held != nullptr) free_report(*held);
        delete held;
      }) {}

const char* ServerError::what() const noexcept {
  const ErrorData* report = *report_;
  return report != nullptr && report->message != nullptr ? report->message : "server error";
}

ErrorData* ServerError::release() const noexcept {
  return std::exchange(*report_, nullptr);
}

void free_report(ErrorData* report) noexcept {
  MemoryContextDelete(report->assoc_context);
}

void detail::throw_server_error() {
  // A context for each report: FreeErrorData() does not free all that CopyErrorData() copies.
  MemoryContext before = MemoryContextSwitchTo(
      AllocSetContextCreate(error_context(), "influx error", ALLOCSET_SMALL_SIZES));
  ErrorData* report = CopyErrorData();
  FlushErrorState();
  MemoryContextSwitchTo(before);
  throw ServerError(report);
}

Error::Error(int sqlstate, std::string_view message, std::string_view detail,
             std::string_view hint) noexcept
    : sqlstate_(sqlstate) {
  copy_cut(message_, message);
  copy_cut(detail_, detail);
  copy_cut(hint_, hint);
}

void Error::report(int level) const {
  ereport(level, (errcode(sqlstate_), errmsg("%s", printable(message_)),
                  *detail_ != '\0' ? errdetail("%s", printable(detail_)) : 0,
                  *hint_ != '\0' ? errhint("%s", printable(hint_)) : 0));
}

void Error::warn() const {
  report(WARNING);
}

void Error::raise() const {
  report(ERROR);
  pg_unreachable();
}

void PendingError::capture() noexcept {
  try {
    throw;
  } catch (const ServerError& raised) {
    report = raised.release();
  } catch (const Error& raised) {
    error = raised;
  } catch (const std::bad_alloc&) {
    error = Error(ERRCODE_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& raised) {
    error = Error(ERRCODE_INTERNAL_ERROR, raised.what());
  } catch (...) {
    // The member says so already.
  }
}

void PendingError::raise() const {
  if (report == nullptr) error.raise();
  // ReThrowError copies the report and does not come back, so the original is freed by the next
  // error that takes this way.
  static ErrorData* last_raised = nullptr;
  if (last_raised != nullptr) free_report(last_raised);
  last_raised = report;
  ReThrowError(report);
}

}  // namespace influx::postgres
