#pragma once

#include "influx/ingest/refusal.h"
#include "influx/worker/launch_arguments.h"

namespace influx::worker {

/// What a listener has counted since it was launched, through restarts; a crash of the server ends
/// the count. All are numbers of 64 bits, so that they can be copied as such.
struct Counters {
  std::uint64_t datagrams = 0;       ///< received
  std::uint64_t bytes = 0;           ///< of their payload
  std::uint64_t kernel_drops = 0;    ///< datagrams for which the kernel's buffer had no room
  std::uint64_t truncated = 0;       ///< datagrams too large to be received
  std::uint64_t filtered = 0;        ///< datagrams of senders that are not let in
  std::uint64_t lost_datagrams = 0;  ///< received, and given up
  std::uint64_t lines = 0;           ///< stored, refused and waiting ones
  std::uint64_t stored = 0;
  std::array<std::uint64_t, ingest::kRefusalKinds> rejected{};  ///< by ingest::RefusalKind
  std::uint64_t waiting = 0;                                    ///< not a count: as it is now
  std::uint64_t batches = 0;                                    ///< written
  std::uint64_t retries = 0;                                    ///< of batches
};
inline constexpr std::size_t kCounters = sizeof(Counters) / sizeof(std::uint64_t);

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

enum class ListenerState : std::uint8_t {
  kNone,  ///< a free entry
  kStarting,
  kListening,
  kFailed,  ///< waits to be started again, with a process or without
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
  Counters counters;
  Supervised supervised;
};

/// The entry of this process's listener in the table of all listeners, which is in shared memory:
/// an entry outlives its process where the listener is started again. There is one object in a
/// process.
class Registration {
 public:
  /// Takes the entry with the token of `arguments`, or else a free one, and puts the process into
  /// it. A supervised listener has the entry that its supervisor has made; false where that is
  /// gone, and nobody wants the process any more. May raise.
  bool enter(const LaunchArguments& arguments);
  /// Whether enter() has succeeded, and leave() was not called.
  bool entered() const noexcept { return entry_ != nullptr; }
  /// Whether enter() found what an earlier process of the listener has left.
  bool found() const noexcept { return found_; }

  /// Counts a restart.
  void note_restart() noexcept;
  void set_state(ListenerState state) noexcept;
  /// Keeps the error to be shown as the last one.
  void note_failure(int sqlstate, const char* message) noexcept;
  /// The number of failures in a row.
  int failures() const noexcept;
  void set_failures(int failures) noexcept;

  /// Shows what this process has counted by now, on top of what earlier ones have. Cheap.
  void publish(const Counters& counted) noexcept;

  /// The name in the table of listeners; empty for a listener launched by SQL.
  const char* listener() const noexcept;
  /// Notes what the process has taken from its row; see Supervised.
  void note_overrides(std::uint64_t overrides) noexcept;

  /// The process ends: the entry is kept for the next one in the state `left`, or freed where that
  /// is kNone. Does nothing before enter().
  void leave(ListenerState left) noexcept;

 private:
  struct Entry* entry_ = nullptr;
  bool found_ = false;
  Counters base_;       ///< counted by earlier processes
  Counters published_;  ///< what was shown last, without the base
};

// The supervisor's side. It makes the entry of a listener before it starts a process, so that what
// keeps the process from starting can be shown. All of these do nothing where there is no entry of
// the token, and raise only with the first use of the table in a process.

/// Makes an entry without a process. False where the table is full.
bool open_entry(const LaunchArguments& arguments, const char* listener, int ordinal);
/// Frees an entry, unless it has a process.
void close_entry(std::uint64_t token);
/// Frees the entries of supervised listeners of a database that have no process.
void close_entries(Oid database);
/// A process is going to be started, with `overrides` or later ones.
void note_start(std::uint64_t token, std::uint64_t overrides);
/// No process could be started.
void note_start_failure(std::uint64_t token, int sqlstate, const char* message);
/// Tells the process, if there is one, to read its settings again.
void tell_to_reload(std::uint64_t token);
/// Tells the process, if there is one, to end; once.
void tell_to_end(std::uint64_t token);

/// Copies of the entries of all listeners of the server, in the current memory context. May raise.
std::span<ListenerStatus> listeners();

}  // namespace influx::worker
