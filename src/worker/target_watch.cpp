#include "influx/worker/target_watch.h"

namespace influx::worker {

namespace {

// Set by callbacks of the server, which have no object.
bool something_changed = false;

void note_change(Datum, int, uint32) {
  something_changed = true;
}

}  // namespace

void TargetWatch::start() {
  for (const SysCacheIdentifier cache : {AUTHOID, NAMESPACEOID, DATABASEOID})
    CacheRegisterSyscacheCallback(cache, note_change, 0);
  // The server announces no change of pg_extension, but of the tables that go with the extension.
  CacheRegisterRelcacheCallback([](Datum, Oid) { something_changed = true; }, 0);
  something_changed = true;
}

bool TargetWatch::is_due() const noexcept {
  return something_changed || looking_;
}

const char* TargetWatch::look() {
  looking_ = true;
  something_changed = false;
  const auto exists = [](SysCacheIdentifier cache, Oid oid) {
    return SearchSysCacheExists1(cache, ObjectIdGetDatum(oid));
  };
  const char* gone = nullptr;
  if (!exists(AUTHOID, arguments_.role)) {
    gone = "its role was dropped";
  } else if (!exists(NAMESPACEOID, arguments_.namespace_oid)) {
    gone = "its schema was dropped";
  } else if (!exists(DATABASEOID, arguments_.database)) {
    gone = "its database was dropped";
  } else {
    const Oid extension = get_extension_oid("influx", true);
    if (extension_ == InvalidOid) extension_ = extension;
    if (extension != extension_) gone = "its extension was dropped";
  }
  looking_ = false;
  return gone;
}

void TargetWatch::accept_changes() {
  AcceptInvalidationMessages();
}

}  // namespace influx::worker
