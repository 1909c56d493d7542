#pragma once

namespace influx::ingest {

/// What an error of the server that came up while rows were mapped or written is about, and so what
/// helps against it.
enum class Trouble {
  kRow,      ///< a row: it is refused, the others are not
  kLock,     ///< a lock that could not be had in time: the rows of the table wait
  kMoment,   ///< what others do at the same time: trying again helps
  kOutside,  ///< what the rows go to cannot take any now (disk, memory, another server, read-only):
             ///< those of the table wait, and all of them where nothing can be written anywhere
};

/// The kind of trouble that an error with this SQLSTATE means.
Trouble trouble_of(int sqlstate) noexcept;

/// Whether trouble of this SQLSTATE, of kind kOutside, may last as long as it likes: the disk is
/// full, nothing may be written, or another server is not there. Other such trouble may as well
/// come from the rows, if it does not end.
bool may_last(int sqlstate) noexcept;

}  // namespace influx::ingest
