#pragma once

#include "influx/line_protocol/point.h"
#include "influx/postgres/server.h"

namespace influx::ingest {

/// Builds one jsonb object, a member at a time, in the current memory context. Plain data: nothing
/// to destroy. Keys and texts are UTF-8. Raises where a text is too long for jsonb or not
/// expressible in the server's encoding.
class JsonObject {
 public:
  /// Starts the object with its first member; before that there is nothing.
  bool empty() const noexcept { return state_ == nullptr; }

  void add(std::string_view key, std::string_view text);
  void add(std::string_view key, const line_protocol::FieldValue& value);

  /// Ends the object and returns it as a jsonb datum; `{}` where nothing was added.
  Datum finish();

 private:
  void open();
  void add_key(std::string_view key);

  JsonbParseState* state_ = nullptr;
};

/// `value` as a jsonb scalar: a number, a boolean or a string.
Datum jsonb_scalar(const line_protocol::FieldValue& value);

}  // namespace influx::ingest
