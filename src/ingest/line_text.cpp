#include "influx/ingest/line_text.h"

#include "influx/postgres/text.h"

namespace influx::ingest {

namespace {

constexpr std::size_t kMostBytesShown = 200;

}  // namespace

const char* line_text(std::string_view line) {
  return postgres::printable(line, kMostBytesShown, PG_UTF8);
}

std::size_t line_count(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

}  // namespace influx::ingest
