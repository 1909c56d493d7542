#pragma once

#include "influx/postgres/server.h"

namespace influx::schema {

/// Whether `name` (UTF-8) can be an identifier as it is: not empty, at most 63 bytes in the
/// server's encoding. Longer ones are never cut, so that two names cannot meet. Raises
/// untranslatable_character.
bool fits_name(std::string_view name);

/// Why no column of this name (UTF-8) can be added, as the end of a sentence, and the SQLSTATE of
/// that; null where it can.
const char* column_name_refusal(std::string_view name, int* sqlstate);

}  // namespace influx::schema
