#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

/// A server error (ereport at ERROR) on its way through C++ frames, with all that the server knew
/// of it: SQLSTATE, message, detail, hint, context. Copies share the report.
///
/// Catching one does not repair the transaction: whoever swallows it aborts the transaction, or the
/// subtransaction that was opened around the call, first.
class ServerError : public std::exception {
 public:
  /// Takes over `report`, which lives in a context of its own below error_context().
  explicit ServerError(ErrorData* report);

  const ErrorData& report() const noexcept { return **report_; }
  int sqlstate() const noexcept { return (*report_)->sqlerrcode; }
  const char* what() const noexcept override;

  /// Hands over the report; this object and its copies no longer own it. It is to be given to
  /// another ServerError or to free_report().
  ErrorData* release() const noexcept;

 private:
  std::shared_ptr<ErrorData*> report_;
};

/// An error of ours, thrown where frames hold C++ objects and ereport() must not be used. The entry
/// wrappers raise it with all its parts. Texts are of the server's encoding; longer ones are cut.
class Error : public std::exception {
 public:
  Error(int sqlstate, std::string_view message, std::string_view detail = {},
        std::string_view hint = {}) noexcept;

  int sqlstate() const noexcept { return sqlstate_; }
  const char* what() const noexcept override { return message_; }
  const char* detail() const noexcept { return detail_; }
  const char* hint() const noexcept { return hint_; }

  /// Writes the error to the server log as a warning, and goes on.
  void warn() const;
  /// Raises it. REQUIRES: called outside of all catch blocks, from a frame of plain data.
  [[noreturn]] void raise() const;

 private:
  void report(int level) const;

  int sqlstate_;
  char message_[256];
  char detail_[256];
  char hint_[256];
};

/// Frees the report of a ServerError.
void free_report(ErrorData* report) noexcept;

/// The memory context that holds the reports of all ServerErrors. Lives as long as the process.
MemoryContext error_context();

namespace detail {

/// What a server error leaves behind, and a guard puts back.
struct GuardState {
  sigjmp_buf* exception_stack;
  ErrorContextCallback* context_stack;
  MemoryContext memory_context;

  void restore() const noexcept {
    PG_exception_stack = exception_stack;
    error_context_stack = context_stack;
    CurrentMemoryContext = memory_context;
  }
};

inline GuardState guard_state() noexcept {
  return {PG_exception_stack, error_context_stack, CurrentMemoryContext};
}

/// Takes the error that the server is reporting out of its hands, and throws it as ServerError.
[[noreturn]] void throw_server_error();

}  // namespace detail

/// Runs `call`, and turns a server error raised in it into a ServerError exception. On return and
/// on throw the error stacks are as they were; CurrentMemoryContext is put back on throw only.
///
/// Between the guard and the place of the error no frame may hold an object with a destructor: the
/// server's longjmp does not run them. The call itself must be a lambda with captures by reference,
/// so that it is plain data, and return plain data.
template <typename Call>
auto guard(Call&& call) -> decltype(call()) {
  using Result = decltype(call());
  static_assert(std::is_trivially_destructible_v<std::remove_reference_t<Call>>,
                "a guarded call may capture by reference only");
  static_assert(std::is_void_v<Result> || std::is_trivially_copyable_v<Result>,
                "a guarded call may return plain data only");

  const detail::GuardState before = detail::guard_state();
  sigjmp_buf here;
  if (sigsetjmp(here, 0) == 0) {
    PG_exception_stack = &here;
    // A C++ exception that passes through must not leave PG_exception_stack pointing to this frame.
    struct Unwind {
      const detail::GuardState& before;
      int exceptions = std::uncaught_exceptions();
      ~Unwind() {
        PG_exception_stack = before.exception_stack;
        error_context_stack = before.context_stack;
        if (std::uncaught_exceptions() > exceptions) CurrentMemoryContext = before.memory_context;
      }
    } unwind{before};
    return call();
  }
  before.restore();
  detail::throw_server_error();
}

/// Whether an error of this SQLSTATE is no answer to what was tried, but ends it: a cancel, a
/// timeout, the end of the server.
inline bool is_interrupt(int sqlstate) noexcept {
  return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION);
}

/// Lets whoever waits for this process interrupt it, from a frame that holds C++ objects: a cancel
/// becomes a ServerError. For loops that may last, whatever they call.
inline void check_interrupts() {
  if (!INTERRUPTS_PENDING_CONDITION()) return;
  guard([] { CHECK_FOR_INTERRUPTS(); });
}

/// A C++ exception on its way to become a server error: a ServerError as it was reported, an Error
/// with its parts, std::bad_alloc as out of memory, anything else as an internal error. Plain data,
/// used by the entry wrappers only.
struct PendingError {
  ErrorData* report = nullptr;  ///< of a ServerError
  Error error{ERRCODE_INTERNAL_ERROR, "unknown C++ exception"};

  /// Fills this from the exception being handled. REQUIRES: called in a catch block.
  void capture() noexcept;
  /// Raises it. REQUIRES: called outside of all catch blocks.
  [[noreturn]] void raise() const;
};

/// Runs `body` for a function that the server calls: no C++ exception leaves it, each becomes a
/// server error.
template <typename Body>
auto run_entry(Body&& body) -> decltype(body()) {
  PendingError error;
  try {
    return body();
  } catch (...) {
    error.capture();
  }
  error.raise();
}

/// Makes an object that lives in memory context `context`: its destructor runs when the context is
/// reset or deleted, and so also when the server unwinds by longjmp. The destructor must not raise.
template <typename Object, typename... Arguments>
Object* make_in_context(MemoryContext context, Arguments&&... arguments) {
  static_assert(std::is_nothrow_destructible_v<Object>);
  struct Holder {
    MemoryContextCallback callback;
    alignas(Object) unsigned char storage[sizeof(Object)];
  };
  auto* holder = static_cast<Holder*>(MemoryContextAllocZero(context, sizeof(Holder)));
  void* memory = holder->storage;
  auto* object = new (memory) Object(std::forward<Arguments>(arguments)...);
  holder->callback.arg = object;
  holder->callback.func = [](void* argument) { static_cast<Object*>(argument)->~Object(); };
  MemoryContextRegisterResetCallback(context, &holder->callback);
  return object;
}

}  // namespace influx::postgres

/// Defines an SQL-callable function `name`, with its body behind the macro:
///
///     INFLUX_FUNCTION(influx_parse) { ... PG_GETARG_TEXT_PP(0) ... }
///
/// The body may throw and may raise; its frame holds plain data, see guard().
#define INFLUX_FUNCTION(name)                                                \
  static Datum name##_body(FunctionCallInfo fcinfo);                         \
  extern "C" {                                                               \
  PG_FUNCTION_INFO_V1(name);                                                 \
  Datum name(FunctionCallInfo fcinfo) {                                      \
    return influx::postgres::run_entry([&] { return name##_body(fcinfo); }); \
  }                                                                          \
  }                                                                          \
  static Datum name##_body([[maybe_unused]] FunctionCallInfo fcinfo)

/// Defines the main function `name` of a background worker, with its body behind the macro.
#define INFLUX_WORKER(name)                                      \
  static void name##_body(Datum argument);                       \
  extern "C" {                                                   \
  PGDLLEXPORT void name(Datum argument);                         \
  void name(Datum argument) {                                    \
    influx::postgres::run_entry([&] { name##_body(argument); }); \
  }                                                              \
  }                                                              \
  static void name##_body([[maybe_unused]] Datum argument)

/// Defines the function that the server calls when it has loaded the module.
#define INFLUX_INIT()                                        \
  static void influx_init_body();                            \
  extern "C" {                                               \
  PGDLLEXPORT void _PG_init(void);                           \
  void _PG_init(void) {                                      \
    influx::postgres::run_entry([] { influx_init_body(); }); \
  }                                                          \
  }                                                          \
  static void influx_init_body()
