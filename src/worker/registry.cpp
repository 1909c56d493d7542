#include "influx/worker/registry.h"

#include "influx/worker/entries.h"

namespace influx::worker {

std::span<ListenerStatus> listeners() {
  auto* copies = static_cast<ListenerStatus*>(palloc(sizeof(ListenerStatus) * entries().size()));
  std::size_t count = 0;
  with_lock(LW_SHARED, [&] {
    for (const Entry& entry : entries()) {
      if (entry.is_free()) continue;
      ListenerStatus& copy = copies[count++];
      copy = entry.status;
      copy.counters = entry.counters.read() - copy.counters;
      copy.batches = entry.batches() - copy.batches;
    }
  });
  return {copies, count};
}

void reset_counters(Oid database) {
  const TimestampTz now = GetCurrentTimestamp();
  with_lock(LW_EXCLUSIVE, [&] {
    for (Entry& entry : entries()) {
      ListenerStatus& status = entry.status;
      if (entry.is_free() || status.arguments.database != database) continue;
      status.counters = entry.counters.read();
      // What waits has not been dealt with: it goes on to be a part of the lines.
      status.counters.lines =
          status.counters.stored + status.counters.rejected_lines() + status.counters.lost_lines;
      status.batches = entry.batches();
      status.restarts = 0;
      status.reset = now;
    }
  });
}

}  // namespace influx::worker
