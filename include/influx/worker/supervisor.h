#pragma once

#include "influx/worker/supervised_entries.h"
#include "influx/worker/supervisors.h"
#include "influx/worker/wanted.h"

namespace influx::worker {

/// The process that keeps the listeners of a database as its table influx_listeners says.
///
/// All that it has to remember is in the table of listeners in shared memory (worker/registry): a
/// supervisor that comes after another one finds the processes that are there, and goes on with
/// them. So whatever goes wrong may end the process.
///
/// There is one object in a process, and it lives until the process ends. Its methods raise.
class Supervisor {
 public:
  /// `crashes`: where the server has reset itself after a crash, and nothing was started since, how
  /// many there were in a row; else 0.
  Supervisor(SupervisorSlot& slot, int crashes);

  /// Compares and acts, each time that something has happened. Returns when the process is told to
  /// end.
  void run();

 private:
  void look();
  void wait();

  void compare(std::span<const WantedProcess> wanted);
  void attend(const ListenerStatus& status, const WantedProcess& wanted);
  void start(const ListenerStatus& status, const WantedProcess& wanted);
  void fail(const ListenerStatus& status, int sqlstate, const char* message);
  void dismiss(const ListenerStatus& status);
  void add(const WantedProcess& wanted);
  void note_no_room(const char* listener);
  int crash_pause() const noexcept;
  bool is_held_back();
  void look_again_at(std::int64_t ns) noexcept;

  BackgroundWorkerHandle* handle_of(std::uint64_t token) const;
  bool is_under_way(std::uint64_t token);
  void forget(std::uint64_t token);

  SupervisorSlot& slot_;
  MemoryContext memory_;  ///< reset after each look

  /// Of the processes that this one has started, by token, until they have ended.
  std::unordered_map<std::uint64_t, BackgroundWorkerHandle*> handles_;

  std::uint32_t changes_seen_ = 0;  ///< of the table of listeners
  bool told_to_retry_ = false;      ///< what has failed is due now
  int crashes_;  ///< of the server, in a row, after which listeners are held back; 0 afterwards
  std::int64_t begun_ns_;
  std::int64_t no_room_told_ns_ = 0;  ///< on the monotonic clock; 0 where it was not
  std::int64_t next_look_ns_ = 0;     ///< where nothing happens before, on the monotonic clock
};

}  // namespace influx::worker
