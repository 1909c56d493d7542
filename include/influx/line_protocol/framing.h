#pragma once

#include <cstddef>
#include <string_view>

namespace influx::line_protocol {

/// Where a refused line ends: the index in `text` of its line feed, or the size of `text`.
///
/// `text` starts at the first byte of the refused point, behind the spaces before it, and goes on
/// to the end of the input. `noticed_at` is the index of the byte that was found wrong: the line
/// does not end before it, since the grammar had already read on until there.
///
/// A line feed inside a string ends nothing, or else a string that carries a user's text could
/// smuggle in a point of its own once its line is refused. What is inside a string is decided by a
/// walk that needs no valid line (protocol: errors and recovery): a backslash hides the next byte,
/// but no line feed outside a string; behind the first space a quote opens a string if more equals
/// signs than commas were seen since that space, and the next quote closes it.
/// `poll`, if it is not null, is called now and then in a long text; nothing throws but it.
std::size_t find_end_of_refused_line(std::string_view text, std::size_t noticed_at,
                                     void (*poll)() = nullptr);

}  // namespace influx::line_protocol
