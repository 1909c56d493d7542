#pragma once

#include <cstdio>
#include <cstdlib>

namespace influx::fuzz {

/// Stops the fuzzer, which then keeps the input, unless `holds`.
inline void check(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

}  // namespace influx::fuzz
