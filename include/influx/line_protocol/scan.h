#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "influx/line_protocol/simd.h"

namespace influx::line_protocol {

// Finding the end of a token. The scanners know bytes and nothing of what a token is for; they look
// at every byte once, keep what they saw on the way, and leave checking and converting to others.
// All of them take a half-open range and never read its end.

/// The classes of bytes that mean something in the grammar, as bits of a set.
enum ByteClass : std::uint8_t {
  kControl = 1,  ///< 0x00-0x1F and 0x7F: line feed and carriage return among them
  kSpace = 2,
  kComma = 4,
  kEquals = 8,
  kBackslash = 16,
  kQuote = 32,
  kHigh = 64,  ///< not ASCII: the token needs a check of its encoding
  kDigit = 128,
};

/// The bytes that end a name and that a backslash can escape in it (protocol: names).
inline constexpr unsigned kMeasurementStops = kComma | kSpace;
inline constexpr unsigned kKeyStops = kComma | kEquals | kSpace;

constexpr std::array<std::uint8_t, 256> make_byte_classes() noexcept {
  std::array<std::uint8_t, 256> classes{};
  for (std::size_t byte = 0; byte < 0x20; ++byte)
    classes[byte] = kControl;
  for (std::size_t byte = '0'; byte <= '9'; ++byte)
    classes[byte] = kDigit;
  for (std::size_t byte = 0x80; byte < 0x100; ++byte)
    classes[byte] = kHigh;
  classes[0x7F] = kControl;
  classes[' '] = kSpace;
  classes[','] = kComma;
  classes['='] = kEquals;
  classes['\\'] = kBackslash;
  classes['"'] = kQuote;
  return classes;
}

inline constexpr std::array<std::uint8_t, 256> kByteClasses = make_byte_classes();

/// The class of `byte`; a set with at most one member.
constexpr unsigned class_of(char byte) noexcept {
  return kByteClasses[static_cast<unsigned char>(byte)];
}

constexpr std::string_view between(const char* start, const char* end) noexcept {
  return {start, static_cast<std::size_t>(end - start)};
}

/// A token as found: where it ends and whether its contents need more work.
struct Token {
  const char* end = nullptr;  ///< the byte that ends the token, or the end of the input
  bool escaped = false;       ///< some backslash in it is to be removed
  bool high = false;          ///< some byte of it is not ASCII
};

/// Scans a name up to the first byte in `Stops` that no backslash escapes, or the first control
/// byte. Backslashes do not pair: one directly before a stop byte escapes it, any other is an
/// ordinary byte.
template <unsigned Stops>
inline Token scan_name(const char* at, const char* end) noexcept {
  Token token;
  for (; at != end; ++at) {
    const unsigned byte_class = class_of(*at);
    if ((byte_class & (Stops | kControl | kBackslash | kHigh)) == 0) continue;
    if ((byte_class & (Stops | kControl)) != 0) break;
    if (byte_class == kHigh) {
      token.high = true;
    } else if (end - at > 1 && (class_of(at[1]) & Stops) != 0) {
      token.escaped = true;
      ++at;
    }
  }
  token.end = at;
  return token;
}

/// A string as found. What `token.end` points to tells how the scan went: the closing quote, a zero
/// byte, or the end of the input for a string that nothing closes.
struct StringToken {
  Token token;
  std::size_t line_feeds = 0;  ///< in the scanned bytes; a string may span lines
};

/// Scans the contents of a string, from behind its opening quote.
template <class Block = NativeBlock>
inline StringToken scan_string(const char* at, const char* end) noexcept {
  StringToken found;
  const auto is_escape = [end](const char* backslash) {
    // The two escapes of strings; any other backslash is data (protocol: values).
    return end - backslash > 1 && (class_of(backslash[1]) & (kQuote | kBackslash)) != 0;
  };
  while (end - at >= static_cast<std::ptrdiff_t>(Block::kSize)) {
    const Block block(at);
    const auto backslashes = block.equal('\\');
    const auto line_feeds = block.equal('\n');
    const auto stops = block.equal('"') | block.equal('\0') | backslashes;
    const std::size_t size = stops == 0 ? Block::kSize : first_in<Block>(stops);
    if (size == Block::kSize) {
      found.line_feeds += static_cast<std::size_t>(std::popcount(line_feeds));
      found.token.high |= block.high() != 0;
    } else {
      found.line_feeds += static_cast<std::size_t>(std::popcount(before<Block>(line_feeds, size)));
      found.token.high |= before<Block>(block.high(), size) != 0;
    }
    at += size;
    if (size == Block::kSize) continue;
    if (*at != '\\') {
      found.token.end = at;
      return found;
    }
    if (is_escape(at)) {
      found.token.escaped = true;
      ++at;
    }
    ++at;
  }
  for (; at != end; ++at) {
    const unsigned byte_class = class_of(*at);
    if ((byte_class & (kQuote | kBackslash | kControl | kHigh)) == 0) continue;
    if (byte_class == kQuote || *at == '\0') break;
    if (byte_class == kHigh) {
      found.token.high = true;
    } else if (*at == '\n') {
      ++found.line_feeds;
    } else if (byte_class == kBackslash && is_escape(at)) {
      found.token.escaped = true;
      ++at;
    }
  }
  found.token.end = at;
  return found;
}

/// The first space that no backslash is directly before, where measurement and tags end, or null:
/// a control byte or the end came first.
template <class Block = NativeBlock>
inline const char* find_series_end(const char* const start, const char* end) noexcept {
  const auto is_escaped = [start](const char* space) {
    return space != start && space[-1] == '\\';
  };
  const char* at = start;
  while (end - at >= static_cast<std::ptrdiff_t>(Block::kSize)) {
    const auto stops = Block(at).at_most(' ');
    if (stops == 0) {
      at += Block::kSize;
      continue;
    }
    at += first_in<Block>(stops);
    if (*at != ' ') return nullptr;
    if (!is_escaped(at)) return at;
    ++at;
  }
  for (; at != end; ++at) {
    if (static_cast<unsigned char>(*at) > ' ') continue;
    if (*at != ' ') return nullptr;
    if (!is_escaped(at)) return at;
  }
  return nullptr;
}

/// Scans up to the first comma, space or control byte: a value that is no string.
inline const char* scan_bare_value(const char* at, const char* end) noexcept {
  while (at != end && (class_of(*at) & (kComma | kSpace | kControl)) == 0)
    ++at;
  return at;
}

/// Scans up to the first byte that is no space.
inline const char* skip_spaces(const char* at, const char* end) noexcept {
  while (at != end && *at == ' ')
    ++at;
  return at;
}

/// Whether a line ends at `at`: at the end of the input, at a line feed, or at a carriage return
/// right before one of the two (protocol: grammar).
inline bool is_line_end(const char* at, const char* end) noexcept {
  if (at == end || *at == '\n') return true;
  return *at == '\r' && (end - at == 1 || at[1] == '\n');
}

/// The start of the line behind the line end at `at`. REQUIRES: is_line_end(at, end).
inline const char* behind_line_end(const char* at, const char* end) noexcept {
  if (at != end && *at == '\r') ++at;
  if (at != end) ++at;
  return at;
}

}  // namespace influx::line_protocol
