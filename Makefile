# influx: build, install and test.
#
#   make, make install, make installcheck   by PGXS, for the server of PG_CONFIG
#   make unit                               GoogleTest of floor 0, with ASan and UBSan
#   make fuzz [FUZZ_SECONDS=30]             libFuzzer, each target for so many seconds
#   make tap                                TAP tests against the installed extension
#   make sanitize                           regression and TAP tests with the module under ASan and UBSan
#   make bench                              benchmarks; see docs/performance.md
#   make lint                               clang-format, clang-tidy, cppcheck

EXTENSION = influx
DATA = $(wildcard influx--*.sql)
MODULE_big = influx
SOURCES := $(sort $(wildcard src/*/*.cpp))
OBJS = $(SOURCES:.cpp=.o)

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
EXTRA_CLEAN = build results tmp_check $(SOURCES:.cpp=.d)

# The bitcode rule of PGXS ignores PG_CXXFLAGS and would compile as C++14; the module has no function
# that a query calls per row often enough for inlining by the JIT to matter.
override with_llvm := no

# -MMD: PGXS tracks no headers by itself. INSTRUMENT: sanitizers, see test/sanitize/run.
PG_CPPFLAGS = -Iinclude
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -MMD -MP $(WERROR) $(INSTRUMENT)
SHLIB_LINK = -lstdc++ -pthread -Wl,--version-script=influx.map $(INSTRUMENT)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

-include $(SOURCES:.cpp=.d)

influx.so: influx.map

include test/test.mk
