// Preloaded into a server: names that end in .test are answered by a file of the directory named by
// INFLUX_TEST_NAMES, called like the name, with an address in it. Without that file nobody answers, for as long as
// it takes. What was asked for is appended to the file `asked` there, a name a line.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int (*Resolver)(const char*, const char*, const struct addrinfo*, struct addrinfo**);

static int ends_in_test(const char* name) {
  const char* dot = name == NULL ? NULL : strrchr(name, '.');
  return dot != NULL && strcmp(dot, ".test") == 0;
}

static void note(const char* directory, const char* name) {
  char path[1024], line[300];
  snprintf(path, sizeof(path), "%s/asked", directory);
  const int length = snprintf(line, sizeof(line), "%s\n", name);
  const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0 || write(file, line, (size_t)length) != length) abort();
  close(file);
}

int getaddrinfo(const char* restrict name, const char* restrict service, const struct addrinfo* restrict hints,
                struct addrinfo** restrict found) {
  const Resolver next = (Resolver)dlsym(RTLD_NEXT, "getaddrinfo");
  const char* directory = getenv("INFLUX_TEST_NAMES");
  const int only_numbers = hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0;
  if (directory == NULL || only_numbers || !ends_in_test(name)) return next(name, service, hints, found);
  note(directory, name);
  char path[1024], address[64] = "";
  snprintf(path, sizeof(path), "%s/%s", directory, name);
  for (;;) {
    FILE* file = fopen(path, "re");
    if (file != NULL) {
      const int read = fscanf(file, "%63s", address);
      fclose(file);
      if (read == 1) break;
    }
    usleep(10000);
  }
  if (strcmp(address, "none") == 0) return EAI_NONAME;
  return next(address, service, hints, found);
}
