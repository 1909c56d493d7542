// The parser on its own, on one core. Each iteration reads the whole workload with one parser that
// has read it before, except for the cold ones, where no series ever comes twice.

#include <benchmark/benchmark.h>

#include <cstdlib>

#include "bench/micro_workload.h"
#include "influx/line_protocol/parser.h"

namespace influx::bench {
namespace {

using line_protocol::Parser;
using line_protocol::Precision;

std::size_t read_all(Parser& parser, const Workload& workload) {
  std::size_t points = 0;
  for (const std::string& datagram : workload.datagrams) {
    parser.reset(datagram);
    Parser::Result result = parser.next();
    for (; result == Parser::Result::kPoint; result = parser.next()) {
      benchmark::DoNotOptimize(parser.point().fields.data());
      ++points;
    }
    if (result != Parser::Result::kEnd) std::abort();
  }
  return points;
}

void report(benchmark::State& state, const Workload& workload) {
  const auto iterations = static_cast<std::size_t>(state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(iterations * workload.bytes));
  state.SetItemsProcessed(static_cast<std::int64_t>(iterations * workload.lines));
}

void warm(benchmark::State& state, const Workload& workload) {
  Parser parser(Precision::kNanosecond);
  if (read_all(parser, workload) != workload.lines) std::abort();
  for (auto _ : state)
    benchmark::DoNotOptimize(read_all(parser, workload));
  report(state, workload);
}

// More series than the parser keeps, so that none is known when it comes again.
void cold(benchmark::State& state, const Workload& workload) {
  warm(state, workload);
}

// A parser for each datagram, as for each call of an SQL function.
void single_use(benchmark::State& state, const Workload& workload) {
  for (auto _ : state) {
    for (const std::string& datagram : workload.datagrams) {
      Parser parser(Precision::kNanosecond);
      parser.reset(datagram);
      while (parser.next() == Parser::Result::kPoint)
        benchmark::DoNotOptimize(parser.point().fields.data());
    }
  }
  report(state, workload);
}

BENCHMARK_CAPTURE(warm, tsbs, tsbs(40'000));
BENCHMARK_CAPTURE(warm, agent, agent(15 * 50 * 20));
BENCHMARK_CAPTURE(warm, narrow, narrow(100'000));
BENCHMARK_CAPTURE(warm, many, many_measurements(50'000));
BENCHMARK_CAPTURE(cold, tsbs, tsbs(200'000, 200'000));
BENCHMARK_CAPTURE(cold, agent, agent(15 * 15'000, 15'000));
BENCHMARK_CAPTURE(cold, narrow, narrow(200'000, 200'000));
BENCHMARK_CAPTURE(single_use, tsbs, tsbs(10'000));
BENCHMARK_CAPTURE(single_use, agent, agent(15 * 50));

}  // namespace
}  // namespace influx::bench
