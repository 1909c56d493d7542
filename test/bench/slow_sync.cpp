// A disk that takes a second once in a while: loaded into the server before the C library, for the
// part "held". Where the file of INFLUX_BENCH_SLOW_SYNC is there, the next fdatasync() takes it
// away, and a second to do its work.

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>

extern "C" int fdatasync(int file) {
  using Sync = int (*)(int);
  static const auto sync = reinterpret_cast<Sync>(dlsym(RTLD_NEXT, "fdatasync"));
  const char* const marker = std::getenv("INFLUX_BENCH_SLOW_SYNC");
  if (marker != nullptr && unlink(marker) == 0) sleep(1);
  return sync(file);
}
