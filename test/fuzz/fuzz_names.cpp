// From names of the network to columns: what a table for the points of a text would look like.
//
// The code of schema/ and ingest/ is compiled with the headers of the server, and linked without
// the server: the few functions of it that are called on this way are below, the others are not
// there.

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/check.h"
#include "influx/ingest/row_mapper.h"
#include "influx/line_protocol/parser.h"
#include "influx/postgres/settings.h"
#include "influx/schema/names.h"

namespace {

// What the server would free with its memory context.
std::vector<void*> allocated;

void* keep(void* memory) {
  allocated.push_back(memory);
  return memory;
}

void forget_all() {
  for (void* memory : allocated)
    std::free(memory);
  allocated.clear();
}

const std::set<std::string, std::less<>> kSystemColumns = {"ctid", "xmin", "cmin",
                                                           "xmax", "cmax", "tableoid"};

}  // namespace

extern "C" {

// Nothing interrupts this process.
volatile sig_atomic_t InterruptPending = 0;

int GetDatabaseEncoding() {
  return PG_UTF8;
}

char* pnstrdup(const char* text, Size size) {
  const Size length = strnlen(text, size);
  auto* copy = static_cast<char*>(keep(std::malloc(length + 1)));
  std::memcpy(copy, text, length);
  copy[length] = '\0';
  return copy;
}

char* psprintf(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char* text = nullptr;
#undef vasprintf
  influx::fuzz::check(::vasprintf(&text, format, arguments) >= 0, "a message can be formatted");
  va_end(arguments);
  return static_cast<char*>(keep(text));
}

int pg_encoding_verifymbchar(int, const char* text, int length) {
  const auto is_lead = [](char byte) { return (byte & 0xC0) != 0x80; };
  const char* next = std::find_if(text + 1, text + length, is_lead);
  return is_lead(text[0]) ? static_cast<int>(next - text) : -1;
}

const FormData_pg_attribute* SystemAttributeByName(const char* name) {
  static const FormData_pg_attribute kFound{};
  return kSystemColumns.contains(std::string_view(name)) ? &kFound : nullptr;
}

}  // extern "C"

namespace influx::fuzz {
namespace {

using ingest::RowMapper;
using line_protocol::Parser;
using line_protocol::Point;
using schema::ColumnRole;
using schema::Extension;
using schema::NewColumn;

// Why a key can have no column of its own; the rules of docs/mapping.md.
bool is_impossible(std::string_view key) {
  return key.empty() || key.size() > 63 || key == "time" || key == "_time" || key == "_tags" ||
         key == "_fields" || kSystemColumns.contains(key);
}

// The keys of a point in order, each with its role.
std::vector<std::pair<std::string, ColumnRole>> keys_of(const Point& point) {
  std::vector<std::pair<std::string, ColumnRole>> keys;
  for (const auto& tag : point.tags)
    keys.emplace_back(tag.key, ColumnRole::kTag);
  for (const auto& field : point.fields)
    keys.emplace_back(field.key, ColumnRole::kField);
  return keys;
}

void check_refusal(const ingest::Refusal& refusal, const Point& point) {
  check(refusal.message != nullptr && refusal.message[0] != '\0', "a refusal has a reason");
  check(std::strlen(refusal.message) < 4096, "of a size that a log bears");
  check(refusal.sqlstate != 0, "and an SQLSTATE");
  std::set<std::string> seen;
  bool deserved = false;
  for (const auto& [key, role] : keys_of(point)) {
    deserved = deserved || is_impossible(key) || !seen.insert(key).second;
    deserved =
        deserved || seen.size() + 1 > static_cast<std::size_t>(postgres::settings.max_columns);
  }
  check(deserved, "nothing is refused without need");
}

void check_columns(const Extension& needs, const Point& point) {
  const auto keys = keys_of(point);
  check(needs.columns.size() == keys.size(), "each key has a column");
  check(keys.size() < static_cast<std::size_t>(postgres::settings.max_columns), "within the limit");
  std::set<std::string> names;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const NewColumn& column = needs.columns[i];
    check(column.name == keys[i].first && column.role == keys[i].second, "of its name and role");
    check(!is_impossible(column.name), "that a column can have");
    check(names.insert(column.name).second && !column.shadowed, "and no other column has");
    check(needs.has(column.name), "and by which it is found");
  }
}

// Merged into what other points need, nothing is lost, nothing is there twice, and a second time
// changes nothing.
void check_merge(Extension& all, const Extension& needs) {
  all.merge(needs);
  const std::size_t count = all.columns.size();
  all.merge(needs);
  check(all.columns.size() == count, "to merge again changes nothing");
  std::map<std::pair<std::string, ColumnRole>, int> seen;
  std::set<std::string> names;
  for (const NewColumn& column : all.columns) {
    check(seen[{column.name, column.role}]++ == 0, "a name has one column of a role");
    check(names.insert(column.name).second != column.shadowed, "the first of a name makes it");
  }
  for (const NewColumn& column : needs.columns)
    check(seen.contains({column.name, column.role}), "all that is needed is there");
}

void check_text(std::string_view text, bool json) {
  static char time_column[] = "time";
  postgres::settings.time_column = time_column;
  postgres::settings.max_columns = 20;
  postgres::settings.layout = json ? postgres::kLayoutJson : postgres::kLayoutColumns;

  Parser parser(line_protocol::Precision::kNanosecond);
  RowMapper mapper;
  Extension all;
  parser.reset(text);
  for (Parser::Result result = parser.next(); result != Parser::Result::kEnd;
       result = parser.next()) {
    if (result != Parser::Result::kPoint) continue;
    const Point& point = parser.point();
    check(schema::fits_name(point.measurement) ==
              (!point.measurement.empty() && point.measurement.size() <= 63),
          "a measurement fits as it is, or not at all");
    if (mapper.map_missing(point, false) == RowMapper::Result::kRefused) {
      check(!json, "jsonb takes any key");
      check_refusal(mapper.refusal(), point);
    } else {
      if (!json) check_columns(mapper.needs(), point);
      check_merge(all, mapper.needs());
    }
    forget_all();
  }
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  influx::fuzz::check_text(text, data[0] % 4 == 0);
  return 0;
}
