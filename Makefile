# influx: build, install and test.
#
#   make, make install, make installcheck   by PGXS, for the server of PG_CONFIG
#   make unit                               GoogleTest of floor 0, with ASan and UBSan
#   make fuzz [FUZZ_SECONDS=30]             libFuzzer, each target for so many seconds
#   make tap                                TAP tests against the installed extension
#   make sanitize                           regression and TAP tests with the module under ASan and UBSan
#   make contexts                           the same on a server that checks its memory contexts
#   make bench                              benchmarks; see docs/performance.md
#   make dist                               build/dist/influx-VERSION.tar.gz and .zip, of what is committed
#   make lint                               clang-format, clang-tidy, cppcheck, test/lint

EXTENSION = influx
DATA = $(wildcard influx--*.sql)
MODULE_big = influx
# The version of the SQL objects is in influx.control, that of the release, which begins with it, in META.json.
# scripts/check version sees that both are named alike everywhere.
RELEASE := $(shell sed -n 's/^  "version": "\(.*\)",$$/\1/p' META.json)
SOURCES := $(sort $(wildcard src/*/*.cpp))
OBJS = $(SOURCES:.cpp=.o)

REGRESS = $(sort $(patsubst sql/%.sql,%,$(wildcard sql/*.sql)))
EXTRA_CLEAN = build results tmp_check $(SOURCES:.cpp=.d)

# The bitcode rule of PGXS ignores PG_CXXFLAGS and would compile as C++14; the module has no function
# that a query calls per row often enough for inlining by the JIT to matter.
override with_llvm := no

# -MMD: PGXS tracks no headers by itself. INSTRUMENT: sanitizers, see test/sanitize/run. COPT: what a package
# is built with; the server's makefiles give it to C and to the linker, but not to C++.
PG_CPPFLAGS = -Iinclude -DINFLUX_VERSION='"$(RELEASE)"'
PG_CXXFLAGS = -std=c++20 -Wall -Wextra -MMD -MP $(WERROR) $(INSTRUMENT) $(COPT)
SHLIB_LINK = -lstdc++ -pthread -Wl,--version-script=influx.map $(INSTRUMENT)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

-include $(SOURCES:.cpp=.d)

influx.so: influx.map
src/sql/module.o: META.json

include test/test.mk

# In a clone. The same commit gives the same files.
.PHONY: dist
dist:
	mkdir -p build/dist
	git archive --prefix=influx-$(RELEASE)/ --output=build/dist/influx-$(RELEASE).tar.gz HEAD
	git archive --prefix=influx-$(RELEASE)/ --output=build/dist/influx-$(RELEASE).zip HEAD
	ls -l build/dist/influx-$(RELEASE).*
