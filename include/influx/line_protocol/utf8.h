#pragma once

#include <cstddef>
#include <string_view>

namespace influx::line_protocol {

/// The length of the longest prefix of `text` that is valid UTF-8: the size of `text` if all of it
/// is, else the index of the first byte of the first sequence that is not. Overlong forms,
/// surrogates and anything above U+10FFFF are invalid (protocol: encoding).
std::size_t valid_utf8_prefix(std::string_view text) noexcept;

}  // namespace influx::line_protocol
