#pragma once

#include "influx/postgres/server.h"

namespace influx::ingest {

/// The start of a line, at most 200 bytes of it, as postgres::printable() has it.
const char* line_text(std::string_view line);

/// The most lines that `text` can have.
std::size_t line_count(std::string_view text) noexcept;

}  // namespace influx::ingest
