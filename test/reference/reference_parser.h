#pragma once

#include <string_view>
#include <vector>

#include "influx/line_protocol/precision.h"
#include "reference/outcome.h"

namespace influx::line_protocol::reference {

/// Reads `input` by the rules of docs/protocol.md, written for being right at first sight and for
/// nothing else: a function for each rule of the grammar, a copy for each text, the C library for
/// numbers. It shares no code with the parser that it is a measure for.
std::vector<Outcome> parse_slowly(std::string_view input,
                                  Precision precision = Precision::kNanosecond);

}  // namespace influx::line_protocol::reference
