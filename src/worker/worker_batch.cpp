// The batches of a worker: when one is due, what belongs to it, and what becomes of it.

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/report.h"
#include "influx/postgres/settings.h"
#include "influx/postgres/text.h"
#include "influx/transport/clock.h"
#include "influx/worker/signals.h"
#include "influx/worker/worker.h"

namespace influx::worker {

using postgres::settings;
using transport::kNsPerMs;
using transport::kNsPerUs;
using transport::monotonic_ns;

namespace {

/// Batches of this size are written with the catcher beside. What comes in more slowly than that,
/// the kernel's buffer holds for many seconds.
constexpr std::size_t kLoadDatagrams = 16;
constexpr std::size_t kLoadBytes = std::size_t{64} * 1024;

/// While the server can write nothing, pauses between attempts; each is twice the one before.
constexpr std::int64_t kFirstPauseNs = 100 * kNsPerMs;
constexpr std::int64_t kLongestPauseNs = 10000 * kNsPerMs;
/// After so many attempts, about a minute, it may be the rows that are the reason.
constexpr int kMostPatience = 12;

std::int64_t batch_timeout_ns() noexcept {
  return settings.batch_timeout * kNsPerMs;
}

}  // namespace

/// Notes since when something waits.
void Worker::survey() {
  if (inbox_.unread_datagrams() == 0) {
    waits_since_ns_.reset();
  } else if (!waits_since_ns_) {
    // It may have waited behind the last batch. The clocks differ, so its age is bounded.
    const std::int64_t age = transport::wall_clock_ns() - inbox_.oldest_unread_ns();
    waits_since_ns_ = monotonic_ns() - std::clamp<std::int64_t>(age, 0, batch_timeout_ns());
  }
}

bool Worker::batch_is_full() const {
  return inbox_.unread_lines() >= static_cast<std::size_t>(settings.batch_size) ||
         inbox_.unread_bytes() >= static_cast<std::size_t>(settings.batch_bytes) * 1024;
}

bool Worker::batch_is_due() const {
  const std::int64_t now = monotonic_ns();
  if (resume_at_ns_.has_value()) return now >= *resume_at_ns_;
  if (const auto next = ingestor_.next_attempt_ns(); next.has_value() && now >= *next) return true;
  if (!waits_since_ns_) return false;
  return batch_is_full() || inbox_.full() || now >= *batch_due_ns();
}

/// When what waits has waited for influx.batch_timeout.
std::optional<std::int64_t> Worker::batch_due_ns() const {
  if (!waits_since_ns_.has_value()) return std::nullopt;
  return *waits_since_ns_ + batch_timeout_ns();
}

/// Writes one batch, of what was received first, or goes on with one that could not be written.
void Worker::write_batch() {
  // An attempt at a table that others use may take its time.
  if (catches_ && (inbox_.unread_datagrams() >= kLoadDatagrams ||
                   inbox_.unread_bytes() >= kLoadBytes || ingestor_.held() > 0)) {
    catcher_.resume(listener_.sockets());
  }
  pgstat_report_activity(STATE_RUNNING, "writing a batch");
  start_write_watch();
  const bool taken = batch_datagrams_ > 0 || take_batch();
  const bool insist =
      suspensions_ >= kMostPatience && !ingest::may_last(ingestor_.failure().sqlstate());
  if (!batch_begun_ns_.has_value()) {
    batch_begun_ns_ = monotonic_ns();
    stored_before_batch_ = ingestor_.stored();
  }
  if (ingestor_.store(insist) && taken) {
    resume();
    end_batch();
  } else {
    suspend();
  }
  stop_write_watch();
  catcher_.pause();
  report_statistics(false);
  statistics_pending_ = true;
  pgstat_report_activity(STATE_IDLE, "listening");
  survey();
}

/// Reads datagrams up to the size of a batch, and parses and maps them, behind the lines that
/// waited for a table. A batch ends with a datagram. False where there is no memory for any.
bool Worker::take_batch() {
  transactions_.start_batch();
  ingestor_.resume_held();
  std::size_t bytes = 0;
  const auto most_rows = static_cast<std::size_t>(settings.batch_size);
  const std::size_t most_bytes = static_cast<std::size_t>(settings.batch_bytes) * 1024;
  transport::Datagram datagram;
  while (ingestor_.pending() < most_rows && bytes < most_bytes && !ingestor_.is_full()) {
    if (!ingestor_.make_room_for(transport::Inbox::kLargestDatagram)) return batch_datagrams_ > 0;
    if (!inbox_.next(datagram)) break;
    ++batch_datagrams_;
    bytes += datagram.payload.size();
    ingestor_.add(datagram.payload, {datagram.received_ns, datagram.sender});
  }
  return true;
}

/// The server can write nothing now. The batch is kept; what is received meanwhile waits behind it.
void Worker::suspend() {
  const postgres::Error& reason = ingestor_.failure();
  registration_.note_failure(reason.sqlstate(), reason.what());
  if (++suspensions_ == 1) {
    suspended_at_ns_ = monotonic_ns();
  }
  // A table whose rows meet trouble of the server now and then could suspend it all the time.
  if (suspensions_ == 1 && postgres::may_report(postgres::Report::kSuspended)) {
    ereport(WARNING,
            (errcode(reason.sqlstate()),
             errmsg("influx: nothing can be written now: %s", postgres::printable(reason.what())),
             errdetail("What is received waits, up to influx.max_pending."),
             *reason.hint() != '\0' ? errhint("%s", postgres::printable(reason.hint())) : 0));
  }
  resume_at_ns_ =
      monotonic_ns() + transport::back_off(kFirstPauseNs, kLongestPauseNs, suspensions_);
}

/// The server can write, again or still.
void Worker::resume() {
  if (suspensions_ > 0 && postgres::may_report(postgres::Report::kWritingAgain)) {
    ereport(LOG, (errmsg("influx: writing again after %lld ms",
                         static_cast<long long>((monotonic_ns() - suspended_at_ns_) / kNsPerMs))));
  }
  suspensions_ = 0;
  resume_at_ns_.reset();
}

/// The batch is done with: each of its lines was stored or refused, or waits for its table.
void Worker::end_batch() {
  const std::uint64_t rows = ingestor_.stored() - stored_before_batch_;
  // On its way out the process looks once more, and may find nothing.
  if (batch_datagrams_ > 0 || rows > 0) ++batches_;
  if (batch_begun_ns_.has_value() && rows > 0) {
    const std::int64_t taken_ns = monotonic_ns() - *batch_begun_ns_;
    registration_.count_batch(rows, static_cast<std::uint64_t>(taken_ns / kNsPerUs));
  }
  batch_begun_ns_.reset();
  finished_datagrams_ += batch_datagrams_;
  batch_datagrams_ = 0;
  ingestor_.clear();
  inbox_.release();
  waits_since_ns_.reset();
}

/// Refuses the lines that wait for their table, or for the server, and is done with them.
void Worker::give_up_batch(const postgres::Error& reason) {
  start_write_watch();
  refuse_what_waits(reason);
  ingestor_.store(true);
  stop_write_watch();
  end_batch();
}

/// Refuses the lines of the batch and those that wait for a table. What they wait for is a better
/// reason than the end.
void Worker::refuse_what_waits(const postgres::Error& reason) {
  ingestor_.refuse_batch(resume_at_ns_.has_value() ? ingestor_.failure() : reason);
  if (ingestor_.held() == 0) return;
  ingestor_.refuse_held();
}

}  // namespace influx::worker
