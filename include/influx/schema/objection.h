#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

/// Why something is not done, as the parts of an ereport(). Plain data; the texts are static or in
/// the memory context that was current when it was filled.
struct Objection {
  int sqlstate = 0;
  const char* message = nullptr;
  const char* detail = nullptr;
  const char* hint = nullptr;

  /// Raises it as an error of the server.
  [[noreturn]] void raise() const;
};

}  // namespace influx::schema
