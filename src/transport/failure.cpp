#include "failure.h"

#include <system_error>

namespace influx::transport {

namespace {

bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}

}  // namespace

std::string as_reason(std::string text) {
  // An abbreviation at the beginning stays as it is.
  if (!text.empty() && is_upper(text[0]) && !(text.size() > 1 && is_upper(text[1]))) {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

Failure system_failure(int error_number) {
  return {error_number, as_reason(std::generic_category().message(error_number))};
}

}  // namespace influx::transport
