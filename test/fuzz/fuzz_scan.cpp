// Scanning by blocks, with the instructions of the processor and without, against loops over bytes.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "influx/line_protocol/scan.h"
#include "influx/line_protocol/simd.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

const char* find_series_end_slowly(const char* at, const char* end) {
  for (char before = ' '; at != end; before = *at++) {
    if (*at == ' ' && before != '\\') return at;
    if (static_cast<unsigned char>(*at) < ' ') return nullptr;
  }
  return nullptr;
}

StringToken scan_string_slowly(const char* at, const char* end) {
  StringToken found;
  for (; at != end && *at != '"' && *at != '\0'; ++at) {
    if (*at == '\n') ++found.line_feeds;
    if (static_cast<unsigned char>(*at) >= 0x80) found.token.high = true;
    if (*at == '\\' && at + 1 != end && (at[1] == '"' || at[1] == '\\')) {
      found.token.escaped = true;
      ++at;
    }
  }
  found.token.end = at;
  return found;
}

bool is_same(const StringToken& left, const StringToken& right) {
  return left.token.end == right.token.end && left.token.escaped == right.token.escaped &&
         left.token.high == right.token.high && left.line_feeds == right.line_feeds;
}

template <class Block>
void check_scanners(const char* at, const char* end) {
  check(find_series_end<Block>(at, end) == find_series_end_slowly(at, end), "the end of a series");
  check(is_same(scan_string<Block>(at, end), scan_string_slowly(at, end)), "a string");
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  // A copy that ends where its memory does, so that a sanitizer notices reading on.
  const auto bytes = std::make_unique<char[]>(size);
  std::copy_n(data, size, bytes.get());
  const char* const end = bytes.get() + size;
  for (std::size_t start = 0; start <= size; start += 1 + (size - start) / 8) {
    check_scanners<NativeBlock>(bytes.get() + start, end);
    check_scanners<PortableBlock>(bytes.get() + start, end);
  }

  // A prefix of some part of the text at another, with the padding that it needs.
  if (size < 2) return 0;
  const std::size_t length = 1 + data[0] % 48;
  const char* const at = bytes.get() + data[1] % size;
  std::string prefix(at, std::min<std::size_t>(length, static_cast<std::size_t>(end - at)));
  const std::size_t prefix_size = prefix.size();
  prefix.append(kPrefixPadding, 'x');
  const char* const other = bytes.get() + data[size - 1] % size;
  for (const char* const place : {at, other}) {
    const std::string_view rest(place, static_cast<std::size_t>(end - place));
    check(has_prefix(place, end, prefix.data(), prefix_size) ==
              rest.starts_with(std::string_view(prefix).substr(0, prefix_size)),
          "a prefix");
  }
  return 0;
}
