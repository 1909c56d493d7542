#include "influx/worker/launched_entries.h"

#include "influx/worker/entries.h"

namespace influx::worker {

void open_launched(const LaunchArguments& arguments, const ProcessLimits& limits) {
  Excess beyond = Excess::kNone;
  bool opened = false;
  with_lock(LW_EXCLUSIVE, [&] {
    beyond = excess(arguments.role, limits);
    Entry* entry = beyond == Excess::kNone ? find_free_entry() : nullptr;
    if (entry == nullptr) return;
    entry->clear();
    entry->status.arguments = arguments;
    entry->status.state = ListenerState::kStarting;
    opened = true;
  });
  if (beyond != Excess::kNone) {
    ereport(ERROR,
            (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
             errmsg("%s", excess_message(beyond, GetUserNameFromId(arguments.role, false), limits)),
             errhint("%s", excess_hint(beyond))));
  }
  if (!opened) raise_table_full();
}

void close_launched(std::uint64_t token) noexcept {
  with_lock(LW_EXCLUSIVE, [&] {
    Entry* entry = find_entry(token);
    if (entry != nullptr && entry->status.pid == 0 && entry->status.started == 0)
      entry->status.state = ListenerState::kNone;
  });
}

}  // namespace influx::worker
