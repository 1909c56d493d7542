#include "influx/line_protocol/scan.h"

namespace influx::line_protocol {

StringToken scan_string(const char* at, const char* end) noexcept {
  StringToken found;
  for (; at != end; ++at) {
    const unsigned byte_class = class_of(*at);
    if ((byte_class & (kQuote | kBackslash | kControl | kHigh)) == 0) continue;
    if (byte_class == kQuote || *at == '\0') break;
    if (byte_class == kHigh) {
      found.token.high = true;
    } else if (*at == '\n') {
      ++found.line_feeds;
    } else if (byte_class == kBackslash && end - at > 1 &&
               (class_of(at[1]) & (kQuote | kBackslash)) != 0) {
      // The two escapes of strings; any other backslash is data (protocol: values).
      found.token.escaped = true;
      ++at;
    }
  }
  found.token.end = at;
  return found;
}

}  // namespace influx::line_protocol
