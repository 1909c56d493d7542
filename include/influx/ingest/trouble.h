#pragma once

namespace influx::ingest {

/// What an error of the server that came up while rows were mapped or written is about, and so what
/// helps against it.
enum class Trouble {
  kRow,     ///< a row: it is refused, the others are not
  kLock,    ///< a lock that could not be had in time: the rows of the table wait
  kMoment,  ///< what others do at the same time: trying again helps
  kServer,  ///< the server can write nothing now (disk, memory, locks, read-only): all rows wait
};

/// The kind of trouble that an error with this SQLSTATE means.
Trouble trouble_of(int sqlstate) noexcept;

/// Whether trouble of this SQLSTATE, of kind kServer, may last as long as it likes and cannot come
/// from a row: the disk is full, or nothing may be written.
bool is_outside_of_rows(int sqlstate) noexcept;

}  // namespace influx::ingest
