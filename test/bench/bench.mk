# Benchmarks: what single parts cost (bench-micro), and a listener in a server (bench-end-to-end), which
# is the one that is installed. See docs/performance.md.

BENCH_SOURCES := test/bench/send.cpp test/bench/workload.cpp
BENCH_OBJS := $(BENCH_SOURCES:%.cpp=build/%.o)
BENCH_JSON ?= build/bench/end-to-end.json

PARTS ?= throughput
WORKLOADS ?= tsbs,agent,narrow,many
REPEAT ?= 5
SECONDS ?= 8
MEMORY_SECONDS ?= 600
RATE ?=

$(BENCH_OBJS): build/%.o: %.cpp
	@mkdir -p $(@D)
	g++ -std=c++20 -O2 -g -Wall -Wextra -Wshadow -Werror -MMD -MP -c $< -o $@

build/bench/send: $(BENCH_OBJS)
	@mkdir -p $(@D)
	g++ $^ -o $@

.PHONY: bench bench-build bench-micro bench-end-to-end bench-document
bench: bench-micro bench-end-to-end

build/bench/slow_sync.so: test/bench/slow_sync.cpp
	@mkdir -p $(@D)
	g++ -std=c++20 -O2 -g -Wall -Wextra -Wshadow -Werror -fPIC -shared $< -o $@ -ldl

bench-build: build/bench/send build/bench/slow_sync.so

bench-end-to-end:
	test/bench/run --parts='$(PARTS)' --workloads='$(WORKLOADS)' --repeat=$(REPEAT) --seconds=$(SECONDS) \
	  --memory-seconds=$(MEMORY_SECONDS) $(RATE:%=--rate=%) --json='$(BENCH_JSON)'

# Writes what was measured last into the documentation.
bench-document:
	@mkdir -p docs/performance
	test/bench/plot '$(BENCH_JSON)' docs/performance
	test/bench/report '$(BENCH_JSON)' docs/performance.md

-include $(BENCH_OBJS:.o=.d)
