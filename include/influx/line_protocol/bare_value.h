#pragma once

#include <string_view>

#include "influx/line_protocol/error.h"
#include "influx/line_protocol/point.h"

namespace influx::line_protocol {

/// Reads the whole of `token` as the value of a field that is no string: what its first byte says
/// that it is. `value` is set if the result is kNone. REQUIRES: a token of one byte or more.
ErrorCode read_bare_value(std::string_view token, FieldValue& value) noexcept;

}  // namespace influx::line_protocol
