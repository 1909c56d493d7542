#include "influx/line_protocol/framing.h"

namespace influx::line_protocol {

namespace {

/// Bytes between two calls of a function that polls.
constexpr std::size_t kPollBytes = std::size_t{1024} * 1024;

}  // namespace

std::size_t find_end_of_refused_line(std::string_view text, std::size_t noticed_at,
                                     void (*poll)()) {
  std::size_t next_poll = kPollBytes;
  bool behind_space = false;
  bool in_string = false;
  std::size_t equals = 0;
  std::size_t commas = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char byte = text[i];
    if (poll != nullptr && i >= next_poll) {
      poll();
      next_poll += kPollBytes;
    }
    if (byte == '\\') {
      if (i + 1 < text.size() && (in_string || text[i + 1] != '\n')) ++i;
    } else if (in_string) {
      if (byte == '"') in_string = false;
    } else if (byte == '\n') {
      if (i >= noticed_at) return i;
    } else if (byte == ' ') {
      behind_space = true;
    } else if (behind_space) {
      if (byte == '=') ++equals;
      if (byte == ',') ++commas;
      if (byte == '"') in_string = equals > commas;
    }
  }
  return text.size();
}

}  // namespace influx::line_protocol
