#include "reference/remembered.h"

namespace influx::line_protocol::reference {
namespace {

// Sizes in front make it one text for one meaning.
void append(std::string& out, std::string_view text) {
  out += std::to_string(text.size()) + ":" + std::string(text);
}

std::string meaning_of_series(const Point& point) {
  std::string meaning;
  append(meaning, point.measurement);
  for (const Tag& tag : point.tags) {
    append(meaning, tag.key);
    append(meaning, tag.value);
  }
  return meaning;
}

std::string meaning_of_keys(const Point& point) {
  std::string meaning;
  for (const Field& field : point.fields)
    append(meaning, field.key);
  return meaning;
}

}  // namespace

std::string RememberedCheck::look(const Remembered& remembered, std::string meaning,
                                  std::vector<Known>& table) {
  if (remembered.id == 0) return {};
  if (remembered.slot >= table.size()) return "a slot is below the number of slots";
  Known& known = table[remembered.slot];
  if (known.id == remembered.id) {
    return known.meaning == meaning ? "" : "an id has one meaning";
  }
  if (remembered.id < known.id) return "ids are not given again";
  known = {remembered.id, std::move(meaning)};
  return {};
}

std::string RememberedCheck::read(Parser& parser, std::string_view input) {
  std::string complaint;
  parser.reset(input);
  for (;;) {
    const Parser::Result result = parser.next();
    if (result == Parser::Result::kEnd || !complaint.empty()) return complaint;
    if (result != Parser::Result::kPoint) continue;
    const Point& point = parser.point();
    complaint = look(point.series, meaning_of_series(point), series_);
    if (complaint.empty()) complaint = look(point.field_keys, meaning_of_keys(point), field_keys_);
  }
}

}  // namespace influx::line_protocol::reference
