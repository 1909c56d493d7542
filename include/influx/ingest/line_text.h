#pragma once

#include "influx/postgres/server.h"

namespace influx::ingest {

/// The start of a line, fit for a message: at most 200 bytes of it, control characters and what the
/// server's encoding cannot show as \xNN. Zero-terminated, in the current memory context.
const char* line_text(std::string_view line);

/// The most lines that `text` can have.
std::size_t line_count(std::string_view text) noexcept;

}  // namespace influx::ingest
