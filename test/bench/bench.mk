# Benchmarks: what single parts cost (bench-micro), and a listener in a server (bench-end-to-end), which
# is the one that is installed. See docs/performance.md.

BENCH_JSON ?= build/bench/end-to-end.json
MICRO_JSON ?= build/bench/micro.json
# For Google Benchmark, as --benchmark_filter=tsbs.
MICRO_FLAGS ?=

PARTS ?= throughput
WORKLOADS ?= tsbs,agent,narrow,many
REPEAT ?= 5
SECONDS ?= 8
MEMORY_SECONDS ?= 600
RATE ?=

SEND_OBJS := $(addprefix build/bench/test/bench/,send.o workload.o)
MICRO_OBJS := $(FLOOR0:%.cpp=build/bench/%.o) $(patsubst %.cpp,build/bench/%.o,$(sort $(wildcard test/bench/micro_*.cpp))) \
  build/bench/test/bench/workload.o

# As the module is compiled, by the flags of PGXS.
build/bench/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(CXXFLAGS) $(CFLAGS_SL) -Iinclude -Itest -c $< -o $@

build/bench/send: $(SEND_OBJS)
	$(CXX) $^ -o $@

build/bench/influx_micro: $(MICRO_OBJS)
	$(CXX) -pthread $^ -lbenchmark -lbenchmark_main -o $@

build/bench/slow_sync.so: test/bench/slow_sync.cpp
	@mkdir -p $(@D)
	g++ -std=c++20 -O2 -g -Wall -Wextra -Wshadow -Werror -fPIC -shared $< -o $@ -ldl

.PHONY: bench bench-build bench-micro bench-end-to-end bench-document
bench: bench-micro bench-end-to-end

# What bench-end-to-end needs.
bench-build: build/bench/send build/bench/slow_sync.so

bench-micro: build/bench/influx_micro
	build/bench/influx_micro --benchmark_out='$(MICRO_JSON)' --benchmark_out_format=json \
	  --benchmark_repetitions=5 --benchmark_report_aggregates_only=true $(MICRO_FLAGS)

bench-end-to-end:
	test/bench/run --parts='$(PARTS)' --workloads='$(WORKLOADS)' --repeat=$(REPEAT) --seconds=$(SECONDS) \
	  --memory-seconds=$(MEMORY_SECONDS) $(RATE:%=--rate=%) --json='$(BENCH_JSON)'

# Writes what was measured last into the documentation.
bench-document:
	@mkdir -p docs/performance
	test/bench/plot '$(BENCH_JSON)' docs/performance
	test/bench/report '$(BENCH_JSON)' docs/performance.md
	test/bench/report '$(MICRO_JSON)' docs/performance.md

-include $(SEND_OBJS:.o=.d) $(MICRO_OBJS:.o=.d)
