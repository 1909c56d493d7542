// Preloaded into a server: the process whose number is in the file named by INFLUX_TEST_NO_EPOLL gets no new epoll
// instance, as if it had too many files open.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int is_named(void) {
  const char* path = getenv("INFLUX_TEST_NO_EPOLL");
  FILE* file = path == NULL ? NULL : fopen(path, "re");
  if (file == NULL) return 0;
  long pid = 0;
  const int found = fscanf(file, "%ld", &pid);
  fclose(file);
  return found == 1 && pid == (long)getpid();
}

int epoll_create1(int flags) {
  if (is_named()) {
    errno = EMFILE;
    return -1;
  }
  return (int)syscall(SYS_epoll_create1, flags);
}
