#include "influx/postgres/probe.h"

#include <cstdlib>

#include "influx/postgres/server.h"

extern "C" {
#include "storage/fd.h"
}

namespace influx::postgres {

namespace {

/// A table grows by a page, and so do its indexes. Where there is not room for some of them, there
/// is none in a moment.
constexpr int kPages = 8;

}  // namespace

void check_writing() {
  if (XactReadOnly) {
    ereport(ERROR, (errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
                    errmsg("cannot write in a read-only transaction")));
  }
  GetCurrentTransactionId();

  // In the tablespace of the database: those for temporary files are looked up for queries only.
  // The server removes the file at the end of the transaction, if it comes to that.
  const File file = OpenTemporaryFile(false);
  auto* page = static_cast<char*>(palloc0(BLCKSZ));
  for (int i = 0; i < kPages; ++i) {
    errno = 0;
    if (FileWrite(file, page, BLCKSZ, static_cast<off_t>(i) * BLCKSZ, PG_WAIT_EXTENSION) ==
        BLCKSZ) {
      continue;
    }
    if (errno == 0) errno = ENOSPC;
    ereport(ERROR, (errcode_for_file_access(),
                    errmsg("could not write to file \"%s\": %m", FilePathName(file))));
  }
  FileClose(file);
  pfree(page);
}

bool can_allocate(std::size_t bytes) noexcept {
  // The compiler may leave out what nobody looks at.
  void* volatile memory = std::malloc(bytes);
  const bool could = memory != nullptr;
  std::free(memory);
  return could;
}

}  // namespace influx::postgres
