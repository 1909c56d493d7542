#include "influx/line_protocol/unescape.h"

#include "influx/line_protocol/scan.h"

namespace influx::line_protocol {

void UnescapeBuffer::reserve(std::size_t size) {
  if (size <= capacity_) return;
  bytes_ = std::make_unique_for_overwrite<char[]>(size);
  capacity_ = size;
  used_ = 0;
}

std::string_view UnescapeBuffer::add(std::string_view token, unsigned escapable) noexcept {
  char* const start = bytes_.get() + used_;
  char* out = start;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '\\' && i + 1 < token.size() && (class_of(token[i + 1]) & escapable) != 0) ++i;
    *out++ = token[i];
  }
  const auto size = static_cast<std::size_t>(out - start);
  used_ += size;
  return {start, size};
}

}  // namespace influx::line_protocol
