#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "influx/line_protocol/parser.h"

namespace influx::line_protocol::reference {

/// Looks after what the parser promises of Point::series and Point::field_keys, in the way in which
/// they are to be used: with a table beside the parser's.
class RememberedCheck {
 public:
  /// Reads `input` with `parser`, always the same one, and tells what is wrong; nothing is wrong
  /// with an empty answer.
  std::string read(Parser& parser, std::string_view input);

 private:
  struct Known {
    std::uint64_t id = 0;
    std::string meaning;
  };

  static std::string look(const Remembered& remembered, std::string meaning,
                          std::vector<Known>& table);

  std::vector<Known> series_{Parser::kSeriesSlots};
  std::vector<Known> field_keys_{Parser::kFieldKeysSlots};
};

}  // namespace influx::line_protocol::reference
