#include "influx/schema/names.h"

#include "influx/postgres/text.h"

namespace influx::schema {

bool fits_name(std::string_view name) {
  return !name.empty() && postgres::from_utf8(name).size() < NAMEDATALEN;
}

const char* column_name_refusal(std::string_view name, int* sqlstate) {
  if (!fits_name(name)) {
    *sqlstate = ERRCODE_NAME_TOO_LONG;
    return "its name is too long for a column";
  }
  const char* identifier = postgres::server_string(name);
  if (SystemAttributeByName(identifier) == nullptr) return nullptr;
  *sqlstate = ERRCODE_RESERVED_NAME;
  return "its name is that of a system column";
}

}  // namespace influx::schema
