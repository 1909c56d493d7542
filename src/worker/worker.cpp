// The loop of a worker: what it waits for, receives and tells.

#include "influx/worker/worker.h"

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/transport/clock.h"
#include "influx/worker/signals.h"

namespace influx::worker {

using postgres::Report;
using postgres::settings;
using transport::kNsPerMs;
using transport::monotonic_ns;

namespace {

/// Datagrams received in one turn of the loop, so that signals are seen under any load.
constexpr std::size_t kMostPerTurn = 1024;
/// Received once more when the process is told to end: about what a kernel's buffer holds.
constexpr std::size_t kMostAtEnd = 16384;

/// Where a turn brought this many datagrams, the next ones are gathered for a nap instead of waking
/// up for each; the kernel holds far more than comes in in that time.
constexpr std::size_t kBusyDatagrams = 8;
constexpr long kNapMs = 5;

constexpr std::int64_t kFinishNs =
    400 * kNsPerMs;  // leaves room in signals.h's grace for the last batch

/// From now until `monotonic`, rounded up; 0 where it is over.
long ms_until(std::int64_t monotonic) noexcept {
  const std::int64_t left = monotonic - monotonic_ns();
  return static_cast<long>(std::max<std::int64_t>(0, (left + kNsPerMs - 1) / kNsPerMs));
}

std::size_t inbox_bytes() noexcept {
  // A batch that waits, and one that comes in meanwhile, have room at least.
  const int kilobytes = std::max(settings.max_pending, 2 * settings.batch_bytes);
  return static_cast<std::size_t>(kilobytes) * 1024;
}

}  // namespace

Worker::Worker(const LaunchArguments& arguments, Registration& registration)
    : arguments_(arguments),
      registration_(registration),
      listener_(arguments.port, registration),
      inbox_(inbox_bytes()),
      catcher_(inbox_),
      rejects_(arguments.namespace_oid, arguments.port, arguments.precision),
      refusals_(rejects_),
      transactions_(rejects_),
      ingestor_(arguments.namespace_oid, arguments.precision, refusals_, transactions_),
      target_(arguments_),
      succession_(arguments_, registration),
      memory_(postgres::guard([] {
        return AllocSetContextCreate(TopMemoryContext, "influx worker", ALLOCSET_DEFAULT_SIZES);
      })) {}

void Worker::listen() {
  inbox_.set_filter(Listener::allowed_sources());
  listener_.look_up();
  listener_.take_addresses();
  postgres::guard([] { SetLatch(MyLatch); });  // while it waited, other news may have come
  listener_.configure();
  listener_.keep_claims();
  postgres::guard([&] {
    if (!listener_.sockets().front().tells_drops()) {
      ereport(WARNING,
              (errmsg("influx: this kernel does not tell how many datagrams it drops; those "
                      "are not counted"),
               errdetail("It lacks the socket option SO_MEMINFO, of Linux 4.12.")));
    }
    rebuild_wait_sets();
    target_.start();
  });
  has_to_describe_ = !describe_process();
  show_sockets();
}

void Worker::show_sockets() {
  registration_.set_sockets(listener_.addresses(), listener_.read_buffer());
}

void Worker::rebuild_wait_sets() {
  if (all_events_ != nullptr) FreeWaitEventSet(std::exchange(all_events_, nullptr));
  const auto sockets = listener_.sockets();
  all_events_ = postgres::create_wait_event_set(static_cast<int>(sockets.size()) + 3);
  AddWaitEventToSet(all_events_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(all_events_, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
  for (const transport::UdpSocket& socket : sockets) {
    AddWaitEventToSet(all_events_, WL_SOCKET_READABLE, socket.descriptor(), nullptr, nullptr);
  }
  const int lookup = listener_.lookup_descriptor();
  if (lookup >= 0) AddWaitEventToSet(all_events_, WL_SOCKET_READABLE, lookup, nullptr, nullptr);
  if (quiet_events_ != nullptr) return;
  quiet_events_ = postgres::create_wait_event_set(2);
  AddWaitEventToSet(quiet_events_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(quiet_events_, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
}

void Worker::run() {
  MemoryContextSwitchTo(memory_);
  postgres::PendingError error;
  bool failed = false;
  try {
    postgres::guard([&] { loop(); });
  } catch (...) {
    failed = true;
    error.capture();
  }
  if (failed) {
    transactions_.recover(0);
    ingestor_.put_back();
  }
  if (has_given_way_) return;
  try {
    finish();
  } catch (...) {
    if (!failed) throw;  // else the first error counts, and rescue() goes on
  }
  if (failed) error.raise();
}

void Worker::loop() {
  while (!shutdown_requested()) {
    wait();
    handle_interrupts();
    if (listener_.has_found()) move();
    // Behind a batch that is there already, the catcher goes on receiving while it is written.
    if (!batch_is_full() || resume_at_ns_.has_value()) {
      receive(kMostPerTurn);
      survey();
    }
    publish();
    if (batch_is_due()) {
      write_batch();
      publish();
    }
    report_losses();
    refusals_.flush();
    postgres::tell_left_out();
    if (summary_.is_due()) summary_.flush(counters());
    make_room_for_tables();
    MemoryContextReset(memory_);
    if (!look_around()) {
      ereport(WARNING, (errmsg("influx: the listener ends: %s", gone_)));
      return;
    }
    if (give_way()) return;
  }
}

/// What the process has counted for the server. Without memory for that it is told later.
void Worker::report_statistics(bool force) {
  try {
    postgres::guard([&] { postgres::report_statistics(force); });
  } catch (const postgres::ServerError&) {
    statistics_pending_ = true;
  }
}

/// The one place where the process waits while it is free.
void Worker::wait() {
  long timeout = wait_time();
  const bool gathering = busy_ && waits_since_ns_.has_value();
  if (gathering) timeout = std::min(timeout, kNapMs);
  if (!waits_since_ns_ && std::exchange(statistics_pending_, false)) report_statistics(true);
  WaitEvent event;
  WaitEventSetWait(gathering || inbox_.full() ? quiet_events_ : all_events_, timeout, &event, 1,
                   postgres::listener_wait_event());
  ResetLatch(MyLatch);
}

/// Milliseconds until something has to be done without being woken up.
long Worker::wait_time() const {
  if (batch_is_due()) return 0;
  long timeout = ms_until(look_at_ns_);
  const auto until = [&](std::int64_t at_ns) {
    const long milliseconds = ms_until(at_ns);
    timeout = std::min(timeout, milliseconds);
  };
  if (const long refusals = refusals_.wait_time(); refusals >= 0)
    timeout = std::min(timeout, refusals);
  if (const auto due = summary_.due_ns()) until(*due);
  if (unreported_losses() > 0) until(postgres::may_report_at_ns(Report::kLost));
  if (unreported_filtered() > 0) until(postgres::may_report_at_ns(Report::kTurnedAway));
  if (const auto due = postgres::left_out_due_ns()) until(*due);
  if (resume_at_ns_.has_value()) {
    until(*resume_at_ns_);
    return timeout;
  }
  if (const auto due = batch_due_ns()) until(*due);
  if (const auto next = ingestor_.next_attempt_ns()) until(*next);
  return timeout;
}

void Worker::handle_interrupts() {
  // Where it has to wait for nothing, the wait tells of one thing at a time, and seldom of this.
  if (!PostmasterIsAlive()) proc_exit(1);
  CHECK_FOR_INTERRUPTS();
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    reload();
  }
}

void Worker::receive(std::size_t most) {
  const std::size_t received = inbox_.receive(listener_.sockets(), most);
  busy_ = received >= kBusyDatagrams;
}

/// Datagrams that were lost, or not taken, and are not reported yet.
std::uint64_t Worker::unreported_losses() const {
  const transport::ReceiveCounts counts = inbox_.counts();
  return counts.kernel_drops + counts.truncated - reported_losses_;
}

std::uint64_t Worker::unreported_filtered() const {
  return inbox_.counts().filtered - reported_filtered_;
}

void Worker::report_losses() {
  const auto is_due = [](std::uint64_t unreported, Report kind) {
    return unreported > 0 && monotonic_ns() >= postgres::may_report_at_ns(kind) &&
           postgres::may_report(kind);
  };
  const std::uint64_t lost = unreported_losses();
  if (is_due(lost, Report::kLost)) {
    reported_losses_ += lost;
    lose(lost, "the kernel's buffer was full, or they were too large");
  }
  const std::uint64_t filtered = unreported_filtered();
  if (is_due(filtered, Report::kTurnedAway)) {
    reported_filtered_ += filtered;
    ereport(WARNING, (errmsg("influx: %llu datagrams turned away: influx.allowed_sources does not "
                             "name their senders",
                             static_cast<unsigned long long>(filtered))));
  }
}

/// Writes what was received before the process came to its end, as far as there is time; where
/// there is nothing any more to write it for, it is refused.
void Worker::finish() {
  if (gone_ != nullptr) {
    give_up_batch({ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE, "the listener has ended", gone_});
    return;
  }
  const std::int64_t deadline = monotonic_ns() + kFinishNs;
  receive(kMostAtEnd);
  survey();
  do {
    write_batch();
    MemoryContextReset(memory_);
  } while (!resume_at_ns_.has_value() && waits_since_ns_.has_value() && monotonic_ns() < deadline);
  give_up_batch({ERRCODE_ADMIN_SHUTDOWN, "the listener was stopped before the line was stored"});
  report_statistics(true);
}

void Worker::lose(std::uint64_t datagrams, const char* reason) {
  ereport(WARNING, (errmsg("influx: %llu datagrams lost: %s",
                           static_cast<unsigned long long>(datagrams), reason)));
}

/// What others are shown. What is in the inbox counts by the lines of its text.
Counters Worker::counters() const {
  const transport::ReceiveCounts received = inbox_.counts();
  Counters counters;
  counters.datagrams = received.datagrams;
  counters.bytes = received.bytes;
  counters.kernel_drops = received.kernel_drops;
  counters.truncated = received.truncated;
  counters.filtered = received.filtered;
  counters.lost_datagrams = lost_datagrams_;
  counters.stored = ingestor_.stored();
  counters.duplicates = ingestor_.duplicates();
  counters.rejected = refusals_.counts();
  counters.lines = ingestor_.lines() + inbox_.unread_lines();
  const std::uint64_t done = counters.stored + refusals_.refused();
  counters.lines = std::max(counters.lines, done);
  counters.waiting = counters.lines - done;
  counters.batches = batches_;
  counters.retries = ingestor_.retries();
  if (received.datagrams > 0) counters.last_datagram_ns = received.last_received_ns;
  counters.newest_point_ns = ingestor_.newest_point_ns().value_or(kNoTime);
  return counters;
}

void Worker::publish() {
  registration_.publish(counters());
}

void Worker::rescue() noexcept {
  catcher_.stop();
  try {
    ingestor_.put_back();
    const bool none_waits = counters().waiting == inbox_.unread_lines();
    if ((none_waits && rejects_.waiting() == 0) || !PostmasterIsAlive()) return;
    allow_interrupts_at_exit();
    transactions_.abandon();
    MemoryContextSwitchTo(memory_);
    refuse_what_waits({ERRCODE_ADMIN_SHUTDOWN, "the listener was ended while the line waited"});
    finished_datagrams_ += std::exchange(batch_datagrams_, 0);
    transactions_.begin();
    transactions_.commit();
    forbid_interrupts_at_exit();
  } catch (...) {
    // What was refused is counted, and the rest is going to be.
  }
}

void Worker::leave() noexcept {
  catcher_.stop();
  succession_.end();
  // What the kernel drops is counted by who has the sockets.
  if (!has_given_way_) inbox_.note_drops(listener_.sockets());
  refusals_.flush(true);
  postgres::tell_left_out(true);
  const transport::ReceiveCounts counts = inbox_.counts();
  const std::uint64_t unwritten = counts.datagrams - finished_datagrams_;
  if (unwritten > 0) {
    lost_datagrams_ += unwritten;
    lose(unwritten, "the listener was stopped before they were written");
  }
  Counters last = counters();
  last.lost_lines = std::exchange(last.waiting, 0);
  registration_.publish(last);
  ereport(
      LOG,
      (errmsg("influx: stopped: %llu datagrams received, %llu points stored, %llu lines refused, "
              "%llu lines lost, %llu datagrams lost, %llu datagrams turned away",
              static_cast<unsigned long long>(counts.datagrams),
              static_cast<unsigned long long>(ingestor_.stored()),
              static_cast<unsigned long long>(refusals_.refused()),
              static_cast<unsigned long long>(last.lost_lines),
              static_cast<unsigned long long>(unwritten + counts.kernel_drops + counts.truncated),
              static_cast<unsigned long long>(counts.filtered))));
}

void Worker::close() noexcept {
  catcher_.stop();
  listener_.close();
}

}  // namespace influx::worker
