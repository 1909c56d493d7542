#pragma once

#include "influx/worker/claims.h"
#include "influx/worker/registry.h"

namespace influx::worker {

/// The entry of this process's listener in the table of all listeners, which is in shared memory:
/// an entry outlives its process where the listener is started again. There is one object in a
/// process.
class Registration {
 public:
  enum class Admission : std::uint8_t {
    kNone,     ///< nobody wants the process any more
    kEntered,  ///< it is the listener's
    kHeir,     ///< it is going to be, by take_over(); until then the entry is another one's
  };

  /// Takes the entry with the token of `arguments`, or else a free one, as after a crash of the
  /// server, and puts the process into it. A supervised listener has the entry that its supervisor
  /// has made, and is wanted no more where that is gone; so is one that was to follow another
  /// process, where that has changed its mind. May raise.
  Admission enter(const LaunchArguments& arguments);
  /// Whether the entry is this process's.
  bool entered() const noexcept { return entry_ != nullptr; }
  /// Whether enter() found what an earlier process of the listener, or its launcher, has left.
  bool found() const noexcept { return found_; }

  /// Counts a restart.
  void note_restart() noexcept;
  void set_state(ListenerState state) noexcept;
  /// Keeps the error to be shown as the last one.
  void note_failure(int sqlstate, const char* message) noexcept;
  /// The number of failures in a row.
  int failures() const noexcept;
  void set_failures(int failures) noexcept;

  /// Claims endpoints, which the process then may bind, beside those that it has. Nothing, where
  /// another listener has claimed one that overlaps; that one then is in `claimant`. REQUIRES: no
  /// more than kMostAddresses endpoints, and no more claims before.
  bool claim(std::span<const transport::EndpointKey> wanted, Claimant* claimant) noexcept;
  /// Gives up all claims but those of `bound`. What is not claimed must not be bound any more.
  void keep_claims(std::span<const transport::EndpointKey> bound) noexcept;

  /// Shows the sockets that the process has opened.
  void set_sockets(std::string_view addresses, std::size_t read_buffer) noexcept;

  /// Shows what this process has counted by now, on top of what earlier ones have. Cheap.
  void publish(const Counters& counted) noexcept;
  /// Counts a batch of which so many rows were stored, in so much time. Cheap.
  void count_batch(std::uint64_t rows, std::uint64_t microseconds) noexcept;

  /// The name in the table of listeners; empty for a listener launched by SQL.
  const char* listener() const noexcept { return listener_; }
  /// Notes what the process has taken from its row; see Supervised. An heir does it later.
  void note_overrides(std::uint64_t overrides) noexcept;

  /// The process ends: the entry is kept for the next one in the state `left`, or freed where that
  /// is kNone. Does nothing before enter().
  void leave(ListenerState left) noexcept;

  // The entry goes from one process to the next, by a single step of the latter. Until it has made
  // it, the former can change its mind.

  /// Lets a process of that succession take the entry over.
  void await_successor(const Successor& successor) noexcept;
  /// Whether it has not done so yet.
  bool is_own() const noexcept;
  /// Awaits nobody any more. False where the entry was taken over: then it is this process's no
  /// more.
  bool await_nobody() noexcept;

  /// The process that has the entry, for an heir; 0 where it was left.
  int predecessor() const noexcept;
  /// The heir takes the entry over, with all that was counted. False where it is not to.
  bool take_over(Successor* taken) noexcept;

 private:
  bool is_awaited() const noexcept;
  void become_owner() noexcept;

  struct Entry* entry_ = nullptr;
  struct Entry* inheritance_ = nullptr;  ///< of an heir: the entry that is to be its
  LaunchArguments arguments_;            ///< of an heir
  int predecessor_ = 0;                  ///< of an heir
  char listener_[NAMEDATALEN] = "";
  bool found_ = false;
  Counters base_;       ///< counted by earlier processes
  Counters published_;  ///< what was shown last, without the base
};

}  // namespace influx::worker
