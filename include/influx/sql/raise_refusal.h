#pragma once

#include "influx/ingest/refusal.h"

namespace influx::sql {

/// Raises the error of a line that is refused, for the caller of a function: where it stands, what
/// is wrong, and how the line begins.
[[noreturn]] void raise_refusal(std::string_view line, std::size_t line_number,
                                const ingest::Refusal& refusal);

}  // namespace influx::sql
