// What a line is made of, each kind on its own: numbers, strings, escapes, UTF-8.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "influx/line_protocol/number.h"
#include "influx/line_protocol/scan.h"
#include "influx/line_protocol/short_number.h"
#include "influx/line_protocol/unescape.h"
#include "influx/line_protocol/utf8.h"

namespace influx::bench {
namespace {

using namespace line_protocol;

void report(benchmark::State& state, std::size_t bytes, std::size_t items) {
  const auto iterations = static_cast<std::size_t>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(iterations * bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(iterations * items));
}

enum Kind : std::uint8_t { kSmallInteger, kLargeInteger, kShortDecimal, kLongDecimal };

std::string number_of(Kind kind, std::mt19937_64& random) {
  const std::string digits = std::to_string(1'000'000'000'000'000'000U + random() % 1'000'000'000);
  switch (kind) {
    case kSmallInteger:
      return std::to_string(random() % 100) + "i";
    case kLargeInteger:
      return std::to_string(random() % 16'000'000'000) + "i";
    case kShortDecimal:
      return std::to_string(random() % 100) + "." + std::to_string(random() % 100'000'000);
    case kLongDecimal:
      break;
  }
  return digits.substr(0, 2) + "." + digits.substr(2, 15);
}

// As the parser does it: what is not short is looked at a second time.
void numbers(benchmark::State& state, Kind kind) {
  std::mt19937_64 random(1);
  constexpr std::size_t kCount = 10'000;
  std::string text;
  for (std::size_t i = 0; i < kCount; ++i)
    text += number_of(kind, random) + ",";
  for (auto _ : state) {
    const char* const end = text.data() + text.size();
    for (const char* at = text.data(); at != end; ++at) {
      FieldValue value;
      if (const char* const behind = read_short_number(at, end, value)) {
        at = behind;
      } else {
        const char* const start = at;
        at = scan_bare_value(at, end);
        const std::string_view token(start, static_cast<std::size_t>(at - start));
        if (read_number(token, value) != ErrorCode::kNone) std::abort();
      }
      benchmark::DoNotOptimize(value);
    }
  }
  report(state, text.size(), kCount);
}
BENCHMARK_CAPTURE(numbers, small_integers, kSmallInteger);
BENCHMARK_CAPTURE(numbers, large_integers, kLargeInteger);
BENCHMARK_CAPTURE(numbers, short_decimals, kShortDecimal);
BENCHMARK_CAPTURE(numbers, long_decimals, kLongDecimal);

std::string repeated(std::string_view piece, std::size_t size) {
  std::string text;
  while (text.size() < size)
    text += piece;
  return text;
}

void strings(benchmark::State& state, std::string_view piece) {
  const std::string text = repeated(piece, 16'384) + "\"";
  for (auto _ : state)
    benchmark::DoNotOptimize(scan_string(text.data(), text.data() + text.size()));
  report(state, text.size(), 1);
}
BENCHMARK_CAPTURE(strings, plain, "GET /index.html HTTP/1.1 200 1024 - ");
BENCHMARK_CAPTURE(strings, escapes, "{\\\"level\\\": \\\"info\\\", \\\"n\\\": 1}");

void unescape(benchmark::State& state) {
  const std::string text = repeated("Processor\\ Time\\,\\ total, C:\\dir ", 16'384);
  UnescapeBuffer buffer;
  buffer.reserve(text.size());
  for (auto _ : state) {
    buffer.clear();
    benchmark::DoNotOptimize(buffer.add(text, kKeyStops));
  }
  report(state, text.size(), 1);
}
BENCHMARK(unescape);

void utf8(benchmark::State& state, std::string_view piece) {
  const std::string text = repeated(piece, 16'384);
  for (auto _ : state)
    benchmark::DoNotOptimize(valid_utf8_prefix(text));
  report(state, text.size(), 1);
}
BENCHMARK_CAPTURE(utf8, ascii, "plain text without anything else in it, ");
BENCHMARK_CAPTURE(utf8, german, "Temperatur in M\xC3\xBCnchen: \xE2\x82\xAC 12, ");
BENCHMARK_CAPTURE(utf8, chinese, "\xE6\xB8\xA9\xE5\xBA\xA6\xE4\xBC\xA0\xE6\x84\x9F\xE5\x99\xA8");

}  // namespace
}  // namespace influx::bench
