// The parser on its own, on one core. Each iteration reads the whole workload, by a parser that has
// read it before, or by one that is new.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "bench/workload.h"
#include "influx/line_protocol/parser.h"

namespace influx::bench {
namespace {

using line_protocol::Parser;
using line_protocol::Precision;

/// Reads all datagrams. Returns the number of points.
std::size_t read_all(Parser& parser, const Pool& pool) {
  std::size_t points = 0;
  for (const Datagram& datagram : pool.datagrams()) {
    parser.reset(pool.text(datagram));
    Parser::Result result = parser.next();
    for (; result == Parser::Result::kPoint; result = parser.next()) {
      benchmark::DoNotOptimize(parser.point().fields.data());
      ++points;
    }
    if (result != Parser::Result::kEnd) std::abort();
  }
  return points;
}

void report(benchmark::State& state, const Pool& pool) {
  std::size_t bytes = 0;
  std::size_t lines = 0;
  for (const Datagram& datagram : pool.datagrams()) {
    bytes += datagram.size;
    lines += datagram.lines;
  }
  const auto iterations = static_cast<std::size_t>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(iterations * bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(iterations * lines));
}

void known_series(benchmark::State& state, const WorkloadOptions& options) {
  const Pool pool(options, 40'000);
  Parser parser(Precision::kNanosecond);
  if (read_all(parser, pool) != 40'000) std::abort();
  for (auto _ : state)
    benchmark::DoNotOptimize(read_all(parser, pool));
  report(state, pool);
}

/// More series than the parser keeps, so that none is known when it comes again.
void unknown_series(benchmark::State& state, const WorkloadOptions& options) {
  WorkloadOptions many_hosts = options;
  many_hosts.hosts = 200'000;
  const Pool pool(many_hosts, 200'000);
  Parser parser(Precision::kNanosecond);
  read_all(parser, pool);
  for (auto _ : state)
    benchmark::DoNotOptimize(read_all(parser, pool));
  report(state, pool);
}

/// A parser for each datagram, as for each call of an SQL function.
void single_use(benchmark::State& state, const WorkloadOptions& options) {
  const Pool pool(options, 10'000);
  for (auto _ : state) {
    for (const Datagram& datagram : pool.datagrams()) {
      Parser parser(Precision::kNanosecond);
      parser.reset(pool.text(datagram));
      while (parser.next() == Parser::Result::kPoint)
        benchmark::DoNotOptimize(parser.point().fields.data());
    }
  }
  report(state, pool);
}

WorkloadOptions workload(const char* name) {
  WorkloadOptions options;
  options.name = name;
  return options;
}

BENCHMARK_CAPTURE(known_series, tsbs, workload("tsbs"));
BENCHMARK_CAPTURE(known_series, agent, workload("agent"));
BENCHMARK_CAPTURE(known_series, narrow, workload("narrow"));
BENCHMARK_CAPTURE(known_series, many, workload("many"));
BENCHMARK_CAPTURE(unknown_series, tsbs, workload("tsbs"));
BENCHMARK_CAPTURE(unknown_series, narrow, workload("narrow"));
BENCHMARK_CAPTURE(single_use, tsbs, workload("tsbs"));
BENCHMARK_CAPTURE(single_use, agent, workload("agent"));

}  // namespace
}  // namespace influx::bench
