#include "influx/schema/objection.h"

namespace influx::schema {

void Objection::raise() const {
  ereport(ERROR, (errcode(sqlstate), errmsg("%s", message),
                  detail != nullptr ? errdetail("%s", detail) : 0,
                  hint != nullptr ? errhint("%s", hint) : 0));
  pg_unreachable();
}

}  // namespace influx::schema
