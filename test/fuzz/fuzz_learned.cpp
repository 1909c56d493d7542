// What a parser learns and forgets again. The input is a program that makes lines, two bytes for
// each step: lines of few series and field keys in any order, and between them floods of so many
// that what was learned is evicted. A parser starts anew with each input, so that each failure can
// be repeated.

#include <cstdint>
#include <string>
#include <string_view>

#include "fuzz/check.h"
#include "influx/line_protocol/parser.h"
#include "reference/outcome.h"
#include "reference/reference_parser.h"
#include "reference/remembered.h"

namespace influx::fuzz {
namespace {

using namespace line_protocol;

std::string series_of(unsigned number) {
  const std::string n = std::to_string(number / 4);
  switch (number % 4) {
    case 0:
      return "m" + n;
    case 1:
      return "m\\ " + n + ",t\\=" + n + "=a\\,b\\\\" + n + ",host=h";
    case 2:
      return "m,host=h" + n + ",region=\xC3\xBC";
    default:
      // About the longest that is kept, and more.
      return "m" + n + ",long=" + std::string(SeriesCache::kLongestSeries - 24 + number / 4, 'x');
  }
}

std::string fields_of(unsigned number) {
  std::string out;
  const unsigned kind = number % 4;
  // Rarely about as many keys as are kept, since the reference is slow with them; one time in two
  // in another order.
  const bool many = kind == 3 && number >= 224;
  const unsigned count =
      many ? static_cast<unsigned>(FieldKeysCache::kMostKeys) + number / 16 % 2 : 1 + number / 16;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned key = number / 4 % 2 == 0 ? i : count - i;
    if (i != 0) out += ',';
    out += kind == 1 ? "f\\ " : "f";
    // Once in a while the same field again.
    out += std::to_string(number / 8 % 2 == 1 && i == 3 ? 1 : key);
    out += kind == 2 ? "=\"s\\\"" + std::to_string(i) + "\"" : "=" + std::to_string(i) + ".5";
  }
  return out;
}

class Run {
 public:
  void line(unsigned series, unsigned fields) {
    text_ += series_of(series) + " " + fields_of(fields) + " 17\n";
    if (fields % 8 == 7) text_ += "broken line\n";
    if (text_.size() > 2000) read();
  }

  // So many series that came never before, or, from the same start again, once before.
  void flood(unsigned start, unsigned count) {
    read();
    constexpr unsigned kMost = 40000;
    if (flooded_ + count > kMost) return;
    flooded_ += count;
    std::string text;
    for (unsigned i = 0; i < count; ++i) {
      const std::string n = std::to_string(start + i);
      text += "flood" + n + ",t=" + n + " f" + std::to_string((start + i) % 5000) + "=1\n";
    }
    parser_.reset(text);
    for (unsigned i = 0; i < count; ++i) {
      const std::string n = std::to_string(start + i);
      check(parser_.next() == Parser::Result::kPoint, "a line of the flood is a point");
      const Point& point = parser_.point();
      check(point.measurement == "flood" + n, "its measurement");
      check(point.tags.size() == 1 && point.tags[0].value == n, "its tag");
      check(point.fields.size() == 1 &&
                point.fields[0].key.substr(1) == std::to_string((start + i) % 5000),
            "its field");
    }
    check_remembered(text);
  }

  void read() {
    if (text_.empty()) return;
    const auto expected = reference::parse_slowly(text_);
    check(reference::parse_all(parser_, text_) == expected, "the parsers agree");
    check_remembered(text_);
    check(reference::parse_all(parser_, text_) == expected, "the parsers agree again");
    text_.clear();
  }

 private:
  void check_remembered(std::string_view text) {
    const std::string complaint = remembered_.read(parser_, text);
    check(complaint.empty(), complaint.c_str());
  }

  Parser parser_{Precision::kNanosecond};
  reference::RememberedCheck remembered_;
  std::string text_;
  unsigned flooded_ = 0;
};

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  Run run;
  for (std::size_t i = 0; i + 1 < size && i < 256; i += 2) {
    if (data[i] % 16 == 15) {
      run.flood(data[i + 1] % 16 * 4096U, 1U << data[i + 1] / 16);
    } else {
      run.line(data[i] / 16 * 4U + data[i] % 4, data[i + 1]);
    }
  }
  run.read();
  return 0;
}
