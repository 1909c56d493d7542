#pragma once

#include "influx/worker/counters.h"
#include "influx/worker/launch_arguments.h"

namespace influx::worker {

// The table of all listeners of the server, which is in shared memory, as any process sees it.

/// The error that ended a listener, kept it from starting, or cost it a batch.
struct Failure {
  int sqlstate = 0;
  TimestampTz time = 0;    ///< 0 where there was none
  char message[256] = "";  ///< in the encoding of the listener's database
};

/// What the supervisor of a database keeps of a process of a listener of its table. Plain data.
struct Supervised {
  char listener[NAMEDATALEN] = "";  ///< its name in the table; empty for one launched by SQL
  int ordinal = 0;                  ///< among the processes of the listener, from 1
  bool ended = false;               ///< there is no process, nor one that is being started
  bool told_to_end = false;         ///< the process, by the supervisor
  std::int64_t ended_ns = 0;        ///< on the monotonic clock
  std::uint64_t overrides = 0;      ///< tells what of the row the process has in place of settings
};

/// What a listener keeps of the process that is to follow the one that it has. Plain data.
struct Successor {
  std::uint64_t succession = 0;  ///< of its LaunchArguments; 0 where none is awaited
  int pid = 0;                   ///< 0 until it is there
  std::size_t excess = 0;        ///< bytes for which the process before it gives way
};

enum class ListenerState : std::uint8_t {
  kNone,  ///< a free entry
  kStarting,
  kListening,
  kFailed,  ///< waits to be started again, with a process or without
};

/// The sockets of a listener.
struct BoundSockets {
  char addresses[1024] = "";      ///< `127.0.0.1:8089, [::1]:8089`; empty where there are none
  bool complete = true;           ///< whether there was room for all of them
  std::uint64_t read_buffer = 0;  ///< bytes, granted to each by the kernel
};

/// A listener as others see it. Plain data.
struct ListenerStatus {
  LaunchArguments arguments;
  ListenerState state = ListenerState::kNone;
  int pid = 0;              ///< 0 where there is no process
  TimestampTz started = 0;  ///< its process, or the last one
  int restarts = 0;
  int failures = 0;  ///< in a row
  Failure failure;
  BoundSockets sockets;
  TimestampTz reset = 0;  ///< when the counters were set to zero; 0 where they never were
  Counters counters;
  BatchCounts batches;
  Supervised supervised;
  Successor successor;
};

/// Copies of the entries of all listeners of the server, in the current memory context. May raise.
std::span<ListenerStatus> listeners();

/// Sets what the listeners of a database have counted to zero, while they go on counting. May
/// raise.
void reset_counters(Oid database);

}  // namespace influx::worker
