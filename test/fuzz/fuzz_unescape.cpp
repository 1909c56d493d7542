// Taking escapes away: many tokens in one buffer that has just the room it was asked for.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/check.h"
#include "influx/line_protocol/scan.h"
#include "influx/line_protocol/unescape.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

// A piece at a time: what has no backslash, and then what the backslash does.
std::string unescape_slowly(std::string_view token, std::string_view escapable) {
  std::string out;
  while (!token.empty()) {
    const std::size_t backslash = token.find('\\');
    const std::string_view plain = token.substr(0, backslash);
    out += plain;
    token.remove_prefix(plain.size());
    if (token.size() >= 2 && escapable.find(token[1]) != std::string_view::npos) {
      out += token[1];
      token.remove_prefix(2);
    } else if (!token.empty()) {
      out += '\\';
      token.remove_prefix(1);
    }
  }
  return out;
}

void check_tokens(UnescapeBuffer& buffer, const std::vector<std::string_view>& tokens,
                  unsigned classes, std::string_view escapable) {
  std::vector<std::pair<std::string_view, std::string>> results;
  for (const std::string_view token : tokens)
    results.emplace_back(buffer.add(token, classes), unescape_slowly(token, escapable));
  // All of them behind the last: what was added later has left the earlier ones alone.
  for (const auto& [actual, expected] : results)
    check(actual == expected, "a token without its escapes");
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> tokens;
  for (std::size_t start = 0; start <= size;) {
    const std::string_view token = input.substr(start, input.find('\n', start) - start);
    tokens.push_back(token);
    start += token.size() + 1;
  }

  UnescapeBuffer buffer;
  buffer.reserve(size);
  check_tokens(buffer, tokens, kMeasurementStops, ", ");
  buffer.clear();
  check_tokens(buffer, tokens, kKeyStops, ",= ");
  // A smaller demand changes nothing, and forgets nothing.
  const std::string_view first = (buffer.clear(), buffer.add(tokens[0], kQuote | kBackslash));
  const std::string copy(first);
  buffer.reserve(size / 2);
  tokens.erase(tokens.begin());
  check_tokens(buffer, tokens, kQuote | kBackslash, "\"\\");
  check(first == copy, "a text stays until the buffer is cleared");
  return 0;
}
