#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace influx::line_protocol {

/// Memory for the texts of one line in which an escape had to be resolved. Unescaping only
/// shortens, so room for the whole input always suffices and nothing ever moves while views of it
/// live. The room is made at the first escape of an input, so an input without escapes costs none.
class UnescapeBuffer {
 public:
  /// Makes sure of room for `size` bytes in all, forgetting every text if there was less. May throw
  /// std::bad_alloc.
  void reserve(std::size_t size);

  /// Forgets every text.
  void clear() noexcept { used_ = 0; }

  /// The contents of `token` without the backslashes that escape something: those directly before a
  /// byte whose class is in `escapable`. An escaped byte escapes nothing itself.
  /// REQUIRES: room for the size of `token`.
  std::string_view add(std::string_view token, unsigned escapable) noexcept;

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t used_ = 0;
};

}  // namespace influx::line_protocol
