#pragma once

#include <cstddef>

namespace influx::line_protocol::testing {

/// How often the test program has asked for memory with operator new.
std::size_t allocation_count() noexcept;

}  // namespace influx::line_protocol::testing
