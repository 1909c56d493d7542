# Tests that need no server, and the linters. Everything is built below build/ with its own flags: the
# sources of floor 0 are compiled here without any server header on the include path, which proves
# that they need none.

FLOOR0 := $(sort $(wildcard src/line_protocol/*.cpp src/transport/*.cpp))
TEST_CXXFLAGS = -std=c++20 -O1 -g -Wall -Wextra -Wshadow -Werror -MMD -MP -pthread
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

# --- unit tests -----------------------------------------------------------------------------------
UNIT_SOURCES := $(sort $(wildcard test/unit/*.cpp test/reference/*.cpp))
UNIT_OBJS := $(FLOOR0:%.cpp=build/unit/%.o) $(UNIT_SOURCES:%.cpp=build/unit/%.o)

build/unit/%.o: %.cpp
	@mkdir -p $(@D)
	g++ $(TEST_CXXFLAGS) $(SANITIZE) -Iinclude -Itest -c $< -o $@

build/unit/influx_unit: $(UNIT_OBJS)
	g++ $(SANITIZE) -pthread $^ -lgtest -lgtest_main -o $@

# The parser again as it is where the instructions of the processor are not known, with those tests
# that come across them.
UNIT_PORTABLE_OBJS := $(patsubst %.cpp,build/unit-portable/%.o,\
  $(filter src/line_protocol/%,$(FLOOR0)) $(wildcard test/reference/*.cpp) \
  $(patsubst %,test/unit/line_protocol_%.cpp,allocation_count learned reference scan \
  short_number strings utf8))

build/unit-portable/%.o: %.cpp
	@mkdir -p $(@D)
	g++ $(TEST_CXXFLAGS) $(SANITIZE) -DINFLUX_PORTABLE -Iinclude -Itest -c $< -o $@

build/unit/influx_unit_portable: $(UNIT_PORTABLE_OBJS)
	g++ $(SANITIZE) -pthread $^ -lgtest -lgtest_main -o $@

.PHONY: unit
unit: build/unit/influx_unit build/unit/influx_unit_portable
	build/unit/influx_unit $(UNIT_FLAGS)
	build/unit/influx_unit_portable $(UNIT_FLAGS)

# --- fuzzing --------------------------------------------------------------------------------------
FUZZ_CXX ?= clang++-14
FUZZ_SECONDS ?= 30
FUZZ_NAMES := $(patsubst test/fuzz/fuzz_%.cpp,%,$(sort $(wildcard test/fuzz/fuzz_*.cpp)))
FUZZ_COMMON := $(FLOOR0) $(sort $(wildcard test/reference/*.cpp) $(filter-out test/fuzz/fuzz_%.cpp,$(wildcard test/fuzz/*.cpp)))
FUZZ_OBJS := $(FUZZ_COMMON:%.cpp=build/fuzz/%.o)
FUZZ_SANITIZE = -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all

build/fuzz/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(TEST_CXXFLAGS) $(FUZZ_SANITIZE) -Iinclude -Itest -c $< -o $@

build/fuzz/fuzz_%: build/fuzz/test/fuzz/fuzz_%.o $(FUZZ_OBJS)
	$(FUZZ_CXX) $(FUZZ_SANITIZE) -pthread $^ -o $@

# The parser as it is where the instructions of the processor are not known.
FUZZ_PORTABLE_OBJS := $(patsubst %.cpp,build/fuzz-portable/%.o,test/fuzz/fuzz_differential.cpp \
  $(filter-out src/transport/%,$(FUZZ_COMMON)))
FUZZ_NAMES += differential_portable

build/fuzz-portable/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(TEST_CXXFLAGS) $(FUZZ_SANITIZE) -DINFLUX_PORTABLE -Iinclude -Itest -c $< -o $@

build/fuzz/fuzz_differential_portable: $(FUZZ_PORTABLE_OBJS)
	$(FUZZ_CXX) $(FUZZ_SANITIZE) $^ -o $@

# From names to columns: code above floor 0, with the headers of the server and without the server. Only what
# is called need be there; the target itself has it.
FUZZ_SERVER_OBJS := $(patsubst %.cpp,build/fuzz-server/%.o,test/fuzz/fuzz_names.cpp src/postgres/settings.cpp \
  src/postgres/text.cpp src/schema/extension.cpp src/schema/limits.cpp src/schema/names.cpp src/schema/table.cpp src/ingest/row_mapper.cpp)

build/fuzz-server/%.o: %.cpp
	@mkdir -p $(@D)
	$(FUZZ_CXX) $(TEST_CXXFLAGS) $(FUZZ_SANITIZE) -Wno-register -Iinclude -Itest $(SERVER_INCLUDES) -c $< -o $@

build/fuzz/fuzz_names: $(FUZZ_SERVER_OBJS) $(filter-out build/fuzz/src/transport/%,$(FUZZ_OBJS))
	$(FUZZ_CXX) $(FUZZ_SANITIZE) -no-pie -Wl,--unresolved-symbols=ignore-all $^ -o $@

# New inputs go to build/corpus; the corpus in the tree is only read. Each target has one thread: with -j, several run
# side by side.
.PHONY: fuzz fuzz-build $(FUZZ_NAMES:%=fuzz-%)
fuzz-build: $(FUZZ_NAMES:%=build/fuzz/fuzz_%)
fuzz: $(FUZZ_NAMES:%=fuzz-%)
$(FUZZ_NAMES:%=fuzz-%): fuzz-%: build/fuzz/fuzz_%
	@mkdir -p build/corpus/$*
	@build/fuzz/fuzz_$* -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 \
	  -print_final_stats=1 -artifact_prefix=build/corpus/ \
	  build/corpus/$* $(wildcard test/fuzz/corpus) 2>build/corpus/$*.log \
	  || { echo "fuzz_$*:"; tail -n 50 build/corpus/$*.log; exit 1; }
	@echo "fuzz_$*: $$(sed -n -e 's/^Done \([0-9]*\) runs in \([0-9]*\) .*/\1 inputs in \2 s/p' build/corpus/$*.log)"

# Keep the objects; make would take those of the fuzz targets for intermediate files.
.SECONDARY:

-include $(UNIT_OBJS:.o=.d) $(UNIT_PORTABLE_OBJS:.o=.d) $(FUZZ_OBJS:.o=.d) $(FUZZ_PORTABLE_OBJS:.o=.d)
-include $(FUZZ_SERVER_OBJS:.o=.d)

# --- TAP ------------------------------------------------------------------------------------------
# Each file has servers and ports of its own and mostly waits for them, so several run side by side. Those that
# look at how much is lost under load run one after the other, before the others.
TAP_JOBS ?= $(shell echo $$((2 * $$(nproc))))
TAP_UNDER_LOAD = test/tap/{007_load,013_workers,017_drops}.pl
.PHONY: tap
tap:
	$(MAKE) prove-tap PROVE_TESTS='$(or $(PROVE_TESTS),$(sort $(wildcard test/tap/*.pl)))' \
	  PROVE_FLAGS='-j$(TAP_JOBS) --rules="seq=$(TAP_UNDER_LOAD)" --rules="par=**" $(PROVE_FLAGS)'

.PHONY: prove-tap
prove-tap:
	$(prove_installcheck)

# --- sanitizers ------------------------------------------------------------------------------------
# SANITIZE_TESTS: files of test/tap instead of all.
.PHONY: sanitize
sanitize:
	test/sanitize/run $(notdir $(SANITIZE_TESTS))

# --- memory contexts -------------------------------------------------------------------------------
# CONTEXTS_TESTS: files of test/tap instead of all, and instead of those of test/contexts/tests.
.PHONY: contexts
contexts:
	test/contexts/run $(notdir $(CONTEXTS_TESTS))

# --- format and lint ------------------------------------------------------------------------------
CXX_FILES = $(shell git ls-files --cached --others --exclude-standard '*.cpp' '*.h')
SERVER_INCLUDES = -isystem $(shell $(PG_CONFIG) --includedir-server)
LINT_FLAGS = -std=c++20 -Iinclude -Wno-register -DINFLUX_VERSION='"$(RELEASE)"'

.PHONY: format lint lint-format lint-tidy lint-cppcheck lint-frames
format:
	clang-format-14 -i $(CXX_FILES)

lint: lint-format lint-tidy lint-cppcheck lint-frames

lint-format:
	clang-format-14 --dry-run --Werror $(CXX_FILES)

lint-tidy:
	printf '%s\n' $(SOURCES) | xargs -P $(shell nproc) -I {} \
	  clang-tidy-14 --quiet {} -- $(LINT_FLAGS) $(SERVER_INCLUDES)

lint-cppcheck:
	cppcheck --std=c++20 --language=c++ --enable=warning,performance,portability --inline-suppr \
	  --error-exitcode=1 --quiet -j $(shell nproc) -Iinclude $(SOURCES)

# Floor 0 calls nothing of the server.
lint-frames:
	test/lint/run $(shell $(PG_CONFIG) --includedir-server) \
	  $(filter-out src/line_protocol/% src/transport/%,$(SOURCES))

# --- benchmarks -----------------------------------------------------------------------------------
include test/bench/bench.mk
