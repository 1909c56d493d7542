#include "influx/postgres/memory.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>

#ifdef __SANITIZE_ADDRESS__
// Of <sanitizer/allocator_interface.h>, which not every compiler brings along.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace influx::postgres {

std::size_t memory_in_use() noexcept {
#if defined(__SANITIZE_ADDRESS__)
  return __sanitizer_get_current_allocated_bytes();  // it stands in for the C library
#elif defined(__GLIBC__)
  const struct mallinfo2 info = mallinfo2();
  // The second part is of blocks so large that each has a mapping of its own.
  return info.uordblks + info.hblkhd;
#else
  return MemoryContextMemAllocated(TopMemoryContext, true);
#endif
}

std::size_t private_memory() noexcept {
  const int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[128];
  const ssize_t length = read(file, text, sizeof(text) - 1);
  close(file);
  if (length <= 0) return 0;
  text[length] = '\0';
  // In pages: all, those resident, and those of them that are of files or shared.
  unsigned long long pages[3] = {};
  char* at = text;
  for (unsigned long long& number : pages)
    number = std::strtoull(at, &at, 10);
  if (pages[1] < pages[2]) return 0;
  return static_cast<std::size_t>(pages[1] - pages[2]) *
         static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

void give_back_memory() noexcept {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

void keep_freed_memory() noexcept {
#ifdef __GLIBC__
  constexpr int kLargestBlock = 32 * 1024 * 1024;  // the most that it may be told
  constexpr int kMostKept = 2 * kLargestBlock;
  mallopt(M_MMAP_THRESHOLD, kLargestBlock);  // NOLINT(concurrency-mt-unsafe)
  mallopt(M_TRIM_THRESHOLD, kMostKept);      // NOLINT(concurrency-mt-unsafe)
#endif
}

void forget_catalogs() {
  InvalidateSystemCaches();
}

}  // namespace influx::postgres
