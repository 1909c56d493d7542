#pragma once

#include "influx/ingest/ingestor.h"
#include "influx/transport/catcher.h"
#include "influx/transport/inbox.h"
#include "influx/worker/launch_arguments.h"
#include "influx/worker/listener.h"
#include "influx/worker/refusals.h"
#include "influx/worker/registration.h"
#include "influx/worker/succession.h"
#include "influx/worker/summary_log.h"
#include "influx/worker/target_watch.h"
#include "influx/worker/worker_transactions.h"

namespace influx::worker {

/// A listener process: waits on its latch and its sockets, gathers datagrams, and writes them a
/// batch at a time. There is one object in a process, and it lives until the process ends.
class Worker {
 public:
  /// `registration` shows what the worker counts, and outlives it.
  Worker(const LaunchArguments& arguments, Registration& registration);

  /// Opens the sockets. Throws postgres::Error.
  void listen();

  /// Instead of listen(), for an heir: waits for the sockets of the process before, and takes the
  /// listener over from it. False where that goes on without this one. Throws postgres::Error.
  bool inherit();

  /// Receives and writes until the process is told to stop; then writes what was received. Ends
  /// also where what it works for is gone, or another process has taken over. Raises the error that
  /// ends the process, if one does, after it has written what could be written.
  void run();

  // Called when the process exits, in whatever way, in this order.

  /// Refuses the lines that wait, as far as run() has not come to it, so that they are kept. Ends
  /// within a moment. The server ends the call by an error, and goes on to the next one.
  void rescue() noexcept;
  /// Stops the thread and logs the totals.
  void leave() noexcept;
  /// Closes the sockets. Called when the process exits, after leave() and before its registration
  /// ends: by then nothing of it takes datagrams that are another listener's.
  void close() noexcept;
  /// Called last of all, when the server has let go of the process: a request to end that has come
  /// after another process has taken over is passed on to it.
  void pass_on() const noexcept { succession_.pass_on(); }

 private:
  void loop();
  template <typename Look>
  bool try_to_look(Look&& look);
  bool look_around();
  bool describe_process();
  void show_sockets();
  void rebuild_wait_sets();

  void report_statistics(bool force);
  void wait();
  long wait_time() const;
  void handle_interrupts();
  void reload();
  void take_settings();
  void move();

  void receive(std::size_t most);
  void report_losses();
  std::uint64_t unreported_losses() const;
  std::uint64_t unreported_filtered() const;
  void survey();
  bool batch_is_full() const;
  bool batch_is_due() const;
  std::optional<std::int64_t> batch_due_ns() const;
  void write_batch();
  bool take_batch();
  void suspend();
  void resume();
  void end_batch();
  void finish();
  void give_up_batch(const postgres::Error& reason);
  void refuse_what_waits(const postgres::Error& reason);
  void lose(std::uint64_t datagrams, const char* reason);
  void make_room_for_tables();

  bool give_way();
  bool hand_over();
  bool nothing_waits() const;

  Counters counters() const;
  void publish();

  LaunchArguments arguments_;
  Registration& registration_;
  Listener listener_;
  transport::Inbox inbox_;
  transport::Catcher catcher_;
  ingest::RejectTable rejects_;
  Refusals refusals_;
  WorkerTransactions transactions_;
  ingest::Ingestor ingestor_;
  SummaryLog summary_;
  TargetWatch target_;
  Succession succession_;
  MemoryContext memory_;  ///< reset in each turn of the loop

  WaitEventSet* all_events_ = nullptr;    ///< latch, postmaster, sockets
  WaitEventSet* quiet_events_ = nullptr;  ///< latch and postmaster only

  /// Since when the oldest datagram of the inbox waits, on the monotonic clock; nothing where none
  /// does.
  std::optional<std::int64_t> waits_since_ns_;
  bool busy_ = false;  ///< the last receive() brought many datagrams
  bool statistics_pending_ = false;

  /// While the server can write nothing: when the batch is tried again, on the monotonic clock.
  std::optional<std::int64_t> resume_at_ns_;
  std::int64_t suspended_at_ns_ = 0;
  int suspensions_ = 0;  ///< in a row

  std::optional<std::int64_t> batch_begun_ns_;  ///< when its writing began, on the monotonic clock
  std::uint64_t stored_before_batch_ = 0;       ///< lines

  std::uint64_t finished_datagrams_ = 0;  ///< whose lines were stored or refused
  std::uint64_t batches_ = 0;             ///< written
  std::uint64_t lost_datagrams_ = 0;      ///< received, and not written before the end
  std::size_t batch_datagrams_ = 0;       ///< in the batch that is being written
  std::uint64_t reported_losses_ = 0;     ///< of datagrams, by the kernel or for their size
  std::uint64_t reported_filtered_ = 0;
  std::int64_t look_at_ns_ = 0;          ///< when it looks around, on the monotonic clock
  bool has_to_describe_ = false;         ///< the last describe_process() failed
  bool has_to_take_overrides_ = false;   ///< likewise
  const char* gone_ = nullptr;           ///< what it worked for, and why it ends
  bool catches_ = true;                  ///< the catcher may go on while a batch is written
  bool has_given_way_ = false;           ///< the listener is another process's
  std::int64_t looked_for_room_ns_ = 0;  ///< for tables that are not counted; 0 for never
};

}  // namespace influx::worker
