#include "influx/postgres/temporary_file.h"

#include <cerrno>

namespace influx::postgres {

namespace {

/// Where the server has its own, and by what names it knows them.
constexpr const char* kDirectory = "base/pgsql_tmp";
constexpr const char* kPrefix = "pgsql_tmp";

}  // namespace

void name_temporary_file(std::uint64_t number, std::span<char> path) {
  if (MakePGDirectory(kDirectory) != 0 && errno != EEXIST) {
    ereport(ERROR, (errcode_for_file_access(),
                    errmsg("could not create directory \"%s\": %m", kDirectory)));
  }
  snprintf(path.data(), path.size(), "%s/%s.influx.%016llx", kDirectory, kPrefix,
           static_cast<unsigned long long>(number));
}

}  // namespace influx::postgres
