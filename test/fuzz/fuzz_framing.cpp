// Where a refused line ends, for every place at which it may have been found wrong, and that
// reading goes on there as if the input began there.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/check.h"
#include "influx/line_protocol/framing.h"
#include "reference/outcome.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

// The index behind the quote that closes a string whose contents start at `i`.
std::size_t behind_string(std::string_view text, std::size_t i) {
  while (i < text.size() && text[i] != '"')
    i += text[i] == '\\' ? 2 : 1;
  return i + 1;
}

// The line feeds that are in no string, by the rule of docs/protocol.md: found once for all places,
// since the place only says which of them counts.
std::vector<std::size_t> line_feeds_outside(std::string_view text) {
  std::vector<std::size_t> found;
  const std::size_t space = [text] {
    std::size_t i = 0;
    while (i < text.size() && text[i] != ' ')
      i += text[i] == '\\' && text.substr(i + 1, 1) != "\n" ? 2 : 1;
    return i;
  }();
  long balance = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '\\') {
      i += text.substr(i + 1, 1) == "\n" ? 1 : 2;
      continue;
    }
    if (text[i] == '\n') found.push_back(i);
    if (i > space) balance += text[i] == '=' ? 1 : text[i] == ',' ? -1 : 0;
    i = i > space && text[i] == '"' && balance > 0 ? behind_string(text, i + 1) : i + 1;
  }
  return found;
}

void check_ends(std::string_view text) {
  const std::vector<std::size_t> feeds = line_feeds_outside(text);
  for (std::size_t at = 0; at <= text.size(); at += 1 + text.size() / 64) {
    const auto feed = std::lower_bound(feeds.begin(), feeds.end(), at);
    const std::size_t expected = feed == feeds.end() ? text.size() : *feed;
    const std::size_t end = find_end_of_refused_line(text, at);
    check(end == expected, "the end of a refused line");
    if (end == text.size()) continue;
    check(find_end_of_refused_line(text.substr(0, end + 1), at) == end,
          "nothing behind the end decides where it is");
  }
}

// What follows a refused line is read as it would be without it.
void check_going_on(std::string_view input) {
  const std::vector<reference::Outcome> all = reference::parse_all(input);
  const auto refused = std::find_if(all.begin(), all.end(), [](const reference::Outcome& outcome) {
    return outcome.code != ErrorCode::kNone;
  });
  if (refused == all.end()) return;
  std::size_t start = 0;
  for (std::size_t line = 1; line < refused->line_number; ++line)
    start = input.find('\n', start) + 1;
  check(input.substr(start).starts_with(refused->line),
        "the refused line is where its number says");

  std::size_t next = start + refused->line.size();
  next += input.substr(next).starts_with('\r') ? 1 : 0;
  next += input.substr(next).starts_with('\n') ? 1 : 0;
  std::vector<reference::Outcome> rest = reference::parse_all(input.substr(next));
  const auto before = std::count(input.begin(), input.begin() + static_cast<long>(next), '\n');
  for (reference::Outcome& outcome : rest)
    outcome.line_number += static_cast<std::size_t>(before);
  check(std::equal(refused + 1, all.end(), rest.begin(), rest.end()), "reading goes on behind it");
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  check_ends(input);
  check_going_on(input);
  return 0;
}
