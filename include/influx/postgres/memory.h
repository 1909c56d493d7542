#pragma once

#include "influx/postgres/server.h"

namespace influx::postgres {

// The memory of this process, that of the server's contexts and that of C++ together: both come
// from the C library.

/// How many bytes the process has taken from the C library and not given back. It costs a few
/// microseconds, more where memory is in many pieces.
std::size_t memory_in_use() noexcept;

/// How many bytes of memory of this process alone are resident, as the kernel counts them: those in
/// use, and those that the C library has not returned to the system. 0 where the kernel does not
/// tell.
std::size_t private_memory() noexcept;

/// Has the C library return to the system what is free, wherever it is. It may take milliseconds.
void give_back_memory() noexcept;

/// A process that does the same again and again takes again what it has just given back. Left to
/// itself the C library returns such amounts to the system, and each time pays for fresh pages.
/// REQUIRES: no other thread yet.
void keep_freed_memory() noexcept;

/// Forgets what the server has read of its catalogs for this process: descriptions of relations,
/// rows of catalogs, plans as far as they can be made again. It reads again what it needs. All
/// callbacks for changes of catalogs are called. REQUIRES: no transaction.
void forget_catalogs();

}  // namespace influx::postgres
