#include "influx/worker/worker.h"

#include <ctime>
#include <numeric>

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/transaction.h"
#include "influx/worker/role_watch.h"
#include "influx/worker/signals.h"

namespace influx::worker {

using postgres::settings;

namespace {

/// Datagrams received in one turn of the loop, so that signals are seen under any load.
constexpr std::size_t kMostPerTurn = 1024;
/// Received once more when the process is told to end: about what a kernel's buffer holds.
constexpr std::size_t kMostAtEnd = 16384;

/// Where a turn brought this many datagrams, the next ones are gathered for a nap instead of waking
/// up for each; the kernel holds far more than comes in in that time.
constexpr std::size_t kBusyDatagrams = 8;
constexpr long kNapMs = 5;

/// Batches of this size are written with the catcher beside. What comes in more slowly than that,
/// the kernel's buffer holds for many seconds.
constexpr std::size_t kLoadDatagrams = 16;
constexpr std::size_t kLoadBytes = std::size_t{64} * 1024;

constexpr int kAttempts = 3;
constexpr std::int64_t kNsPerMs = 1000000;
constexpr std::int64_t kFinishNs =
    400 * kNsPerMs;  // leaves room in signals.h's grace for the last batch
constexpr std::int64_t kDropReportNs = 10000 * kNsPerMs;

std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

std::int64_t monotonic_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}

std::int64_t batch_timeout_ns() noexcept {
  return settings.batch_timeout * kNsPerMs;
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
      listener_(arguments.port),
      inbox_(inbox_bytes()),
      catcher_(inbox_),
      ingestor_(arguments.namespace_oid, arguments.precision, refusals_, transactions_),
      memory_(postgres::guard([] {
        return AllocSetContextCreate(TopMemoryContext, "influx worker", ALLOCSET_DEFAULT_SIZES);
      })) {}

void Worker::listen() {
  listener_.configure();
  postgres::guard([&] {
    rebuild_wait_sets();
    describe_process();
  });
}

/// What pg_stat_activity tells of this process.
void Worker::describe_process() {
  postgres::begin_transaction();
  const char* schema = get_namespace_name(arguments_.namespace_oid);
  char name[NAMEDATALEN];
  snprintf(name, sizeof(name), "influx %s %s", schema == nullptr ? "?" : schema,
           listener_.addresses().c_str());
  postgres::commit_transaction();
  SetConfigOption("application_name", name, PGC_USERSET, PGC_S_OVERRIDE);
  pgstat_report_activity(STATE_IDLE, "listening");
}

void Worker::rebuild_wait_sets() {
  if (all_events_ != nullptr) FreeWaitEventSet(all_events_);
  const auto sockets = listener_.sockets();
  all_events_ = postgres::create_wait_event_set(static_cast<int>(sockets.size()) + 2);
  AddWaitEventToSet(all_events_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(all_events_, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
  for (const transport::UdpSocket& socket : sockets) {
    AddWaitEventToSet(all_events_, WL_SOCKET_READABLE, socket.descriptor(), nullptr, nullptr);
  }
  if (quiet_events_ != nullptr) return;
  quiet_events_ = postgres::create_wait_event_set(2);
  AddWaitEventToSet(quiet_events_, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, nullptr);
  AddWaitEventToSet(quiet_events_, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, nullptr, nullptr);
}

void Worker::run() {
  MemoryContextSwitchTo(memory_);
  while (!shutdown_requested()) {
    wait();
    handle_interrupts();
    // Behind a batch that is there already, the catcher goes on receiving while it is written.
    if (!batch_is_full()) {
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
    MemoryContextReset(memory_);
    if (role_was_dropped(arguments_.role)) {
      ereport(WARNING, (errmsg("influx: the listener ends: its role, OID %u, was dropped",
                               arguments_.role)));
      return;
    }
  }
  finish();
}

/// The one place where the process waits while it is free.
void Worker::wait() {
  long timeout = wait_time();
  const bool gathering = busy_ && waits_since_ns_.has_value();
  if (gathering) timeout = std::min(timeout, kNapMs);
  if (timeout < 0 && std::exchange(statistics_pending_, false)) postgres::report_statistics(true);
  WaitEvent event;
  WaitEventSetWait(gathering || inbox_.full() ? quiet_events_ : all_events_, timeout, &event, 1,
                   postgres::listener_wait_event());
  ResetLatch(MyLatch);
}

/// Milliseconds until something has to be done without being woken up, or -1.
long Worker::wait_time() const {
  if (!waits_since_ns_) return refusals_.has_more() ? RefusalLog::kIntervalMs : -1;
  if (batch_is_due()) return 0;
  const std::int64_t left = *waits_since_ns_ + batch_timeout_ns() - monotonic_ns();
  return static_cast<long>(std::max<std::int64_t>(0, (left + kNsPerMs - 1) / kNsPerMs));
}

void Worker::handle_interrupts() {
  // pg_cancel_backend() means a statement, and there is none here.
  QueryCancelPending = false;
  CHECK_FOR_INTERRUPTS();
  if (ConfigReloadPending) {
    ConfigReloadPending = false;
    reload();
  }
}

void Worker::reload() {
  // What waits at an address that is given up was sent to a listener that was there.
  receive(kMostAtEnd);
  ProcessConfigFile(PGC_SIGHUP);
  std::optional<postgres::Error> failure;
  try {
    listener_.configure();
  } catch (const postgres::Error& error) {
    failure = error;
  }
  if (failure.has_value()) failure->warn();
  rebuild_wait_sets();
  describe_process();
  ingestor_.forget_tables();
}

void Worker::receive(std::size_t most) {
  const std::size_t received = inbox_.receive(listener_.sockets(), most);
  busy_ = received >= kBusyDatagrams;
}

void Worker::report_losses() {
  const transport::ReceiveCounts counts = inbox_.counts();
  const std::uint64_t lost = counts.kernel_drops + counts.truncated;
  if (lost > reported_losses_ && monotonic_ns() - losses_reported_ns_ > kDropReportNs) {
    refusals_.lose(lost - reported_losses_, "the kernel's buffer was full, or they were too large");
    reported_losses_ = lost;
    losses_reported_ns_ = monotonic_ns();
  }
}

/// Notes since when something waits.
void Worker::survey() {
  if (inbox_.unread_datagrams() == 0) {
    waits_since_ns_.reset();
  } else if (!waits_since_ns_) {
    // It may have waited behind the last batch. The clocks differ, so its age is bounded.
    const std::int64_t age = clock_ns(CLOCK_REALTIME) - inbox_.oldest_unread_ns();
    waits_since_ns_ = monotonic_ns() - std::clamp<std::int64_t>(age, 0, batch_timeout_ns());
  }
}

bool Worker::batch_is_full() const {
  return inbox_.unread_lines() >= static_cast<std::size_t>(settings.batch_size) ||
         inbox_.unread_bytes() >= static_cast<std::size_t>(settings.batch_bytes) * 1024;
}

bool Worker::batch_is_due() const {
  if (!waits_since_ns_) return false;
  return batch_is_full() || inbox_.full() ||
         monotonic_ns() - *waits_since_ns_ >= batch_timeout_ns();
}

/// Writes one batch, of what was received first. Whatever happens, its datagrams are done with.
void Worker::write_batch() {
  if (inbox_.unread_datagrams() >= kLoadDatagrams || inbox_.unread_bytes() >= kLoadBytes) {
    catcher_.resume(listener_.sockets());
  }
  pgstat_report_activity(STATE_RUNNING, "writing a batch");
  start_write_watch();

  for (int attempt = 1;; ++attempt) {
    ErrorData* report = nullptr;
    try {
      postgres::guard([&] {
        take_batch();
        const std::size_t stored = ingestor_.store();
        transactions_.finish();
        stored_ += stored;
      });
      ++batches_;
      tally_ = {ingestor_.lines() - untold_lines_, refusals_.counts()};
      break;
    } catch (const postgres::ServerError& error) {
      report = error.release();
    }
    // Not about a row: those are dealt with below store().
    transactions_.abort();
    ingestor_.clear();
    untold_lines_ = ingestor_.lines() - tally_.lines;
    refusals_.restore(tally_.refused);
    const bool last = attempt == kAttempts;
    // Without even a transaction there is nothing to give up, and no use in going on.
    if (last && batch_datagrams_ == 0) throw postgres::ServerError(report);
    if (last) give_up_batch(*report);
    postgres::free_report(report);
    if (last) break;
    ++retries_;
  }

  finished_datagrams_ += batch_datagrams_;
  stop_write_watch();
  catcher_.pause();
  ingestor_.clear();
  inbox_.release();
  waits_since_ns_.reset();
  postgres::report_statistics(false);
  statistics_pending_ = true;
  pgstat_report_activity(STATE_IDLE, "listening");
  survey();
}

/// Reads datagrams up to the size of a batch, and parses and maps them. A batch ends with a
/// datagram.
void Worker::take_batch() {
  // Before anything that may fail: what is released in the end is what was read here.
  inbox_.rewind();
  batch_datagrams_ = 0;
  transactions_.begin();
  std::size_t bytes = 0;
  const auto most_rows = static_cast<std::size_t>(settings.batch_size);
  const std::size_t most_bytes = static_cast<std::size_t>(settings.batch_bytes) * 1024;
  transport::Datagram datagram;
  while (ingestor_.pending() < most_rows && bytes < most_bytes && inbox_.next(datagram)) {
    ++batch_datagrams_;
    bytes += datagram.payload.size();
    ingestor_.add(datagram.payload, {datagram.received_ns, datagram.sender});
  }
}

void Worker::give_up_batch(const ErrorData& reason) {
  lost_datagrams_ += batch_datagrams_;
  registration_.note_failure(reason.sqlerrcode, reason.message);
  refusals_.lose(batch_datagrams_, reason.message);
}

/// Writes what was received before the process was told to end, as far as there is time.
void Worker::finish() {
  const std::int64_t deadline = monotonic_ns() + kFinishNs;
  receive(kMostAtEnd);
  survey();
  while (waits_since_ns_.has_value() && monotonic_ns() < deadline) {
    write_batch();
    MemoryContextReset(memory_);
  }
  postgres::report_statistics(true);
}

/// What others are shown. Lines of a batch count where it is done, and wait until then.
Counters Worker::counters() const {
  const transport::ReceiveCounts received = inbox_.counts();
  Counters counters;
  counters.datagrams = received.datagrams;
  counters.bytes = received.bytes;
  counters.kernel_drops = received.kernel_drops;
  counters.truncated = received.truncated;
  counters.lost_datagrams = lost_datagrams_;
  counters.stored = stored_;
  counters.rejected = tally_.refused;
  counters.waiting = inbox_.unread_lines();
  counters.lines = tally_.lines + counters.waiting;
  counters.batches = batches_;
  counters.retries = retries_ + ingestor_.retries();
  return counters;
}

void Worker::publish() {
  registration_.publish(counters());
}

void Worker::leave() noexcept {
  catcher_.stop();
  refusals_.flush(true);
  const transport::ReceiveCounts counts = inbox_.counts();
  const std::uint64_t unwritten = counts.datagrams - finished_datagrams_;
  if (unwritten > 0) {
    refusals_.lose(unwritten, "the listener was stopped before they were written");
    lost_datagrams_ += unwritten;
  }
  Counters last = counters();
  last.lines -= std::exchange(last.waiting, 0);
  registration_.publish(last);
  ereport(
      LOG,
      (errmsg("influx: stopped: %llu datagrams received, %llu points stored, %llu lines refused, "
              "%llu datagrams lost",
              static_cast<unsigned long long>(counts.datagrams),
              static_cast<unsigned long long>(stored_),
              static_cast<unsigned long long>(
                  std::accumulate(last.rejected.begin(), last.rejected.end(), std::uint64_t{0})),
              static_cast<unsigned long long>(lost_datagrams_ + counts.kernel_drops +
                                              counts.truncated))));
}

}  // namespace influx::worker
