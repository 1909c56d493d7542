// Preloaded into a server: each report that a listener writes to the log is met by a cancel of that process, at the
// very place where the report is made. What it says decides what a listener's own report is.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

typedef ssize_t (*Writer)(int, const void*, size_t);

ssize_t write(int file, const void* bytes, size_t count) {
  const Writer next = (Writer)dlsym(RTLD_NEXT, "write");
  const ssize_t written = next(file, bytes, count);
  if (file == STDERR_FILENO && memmem(bytes, count, "  influx: ", 10) != NULL) raise(SIGINT);
  return written;
}
