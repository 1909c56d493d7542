#include "influx/worker/succession.h"

#include <cerrno>
#include <csignal>

#include "influx/postgres/compat.h"
#include "influx/postgres/error.h"
#include "influx/postgres/report.h"
#include "influx/postgres/temporary_file.h"
#include "influx/postgres/transaction.h"
#include "influx/transport/clock.h"
#include "influx/worker/background_worker.h"
#include "influx/worker/entries.h"
#include "influx/worker/launch.h"
#include "influx/worker/restart_policy.h"
#include "influx/worker/signals.h"

namespace influx::worker {

using transport::kNsPerMs;
using transport::kNsPerSecond;
using transport::monotonic_ns;

namespace {

/// A process that needs as much again at once is not replaced again and again.
constexpr std::int64_t kLeastAgeNs = 60 * kNsPerSecond;

/// How long a successor may take to be ready, and how long lines that wait may keep it waiting
/// then. It has a worker slot that others may need.
constexpr std::int64_t kPatienceNs = 60 * kNsPerSecond;
constexpr std::int64_t kReadyNs = 10 * kNsPerSecond;

/// How long it may take to begin when it has got the sockets. Nobody receives in that time.
constexpr std::int64_t kStepNs = kNsPerSecond;

/// After an attempt that came to nothing; doubled with each.
constexpr std::int64_t kFirstPauseNs = 2 * kNsPerSecond;
constexpr std::int64_t kLongestPauseNs = kLongestRestartTime * kNsPerSecond;

/// Where others crowd the meeting.
constexpr int kMostAttempts = 100;
constexpr std::int64_t kCrowdPauseNs = 50 * kNsPerMs;

/// Waits for the answer of the giver, or for news.
void wait_for_gift(int descriptor) {
  WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH, descriptor,
                    -1, postgres::listener_wait_event());
  ResetLatch(MyLatch);
}

/// The place at which a successor of that number meets the process before. Plain data.
struct Meeting {
  char path[64];
};

std::optional<transport::Taker> come_to_meeting(std::uint64_t succession, int giver) {
  Meeting meeting{};
  postgres::guard([&] { postgres::name_temporary_file(succession, meeting.path); });
  transport::Failure failure;
  for (int attempt = 1; attempt <= kMostAttempts && !shutdown_requested(); ++attempt) {
    auto taker = transport::Taker::come(meeting.path, giver, failure);
    if (taker.has_value() || failure.error_number != EAGAIN) return taker;
    postgres::guard(
        [] { wait_until(monotonic_ns() + kCrowdPauseNs, postgres::listener_wait_event()); });
  }
  return std::nullopt;
}

}  // namespace

Succession::Succession(const LaunchArguments& arguments, Registration& registration) noexcept
    : arguments_(arguments), registration_(registration) {}

void Succession::note_followed() noexcept {
  may_begin_ns_ = monotonic_ns() + kLeastAgeNs;
}

bool Succession::may_begin() const noexcept {
  return !is_under_way() && monotonic_ns() >= may_begin_ns_;
}

void Succession::begin(std::size_t excess) {
  LaunchArguments arguments = arguments_;
  Meeting meeting{};
  std::optional<postgres::Error> failure;
  try {
    postgres::guard([&] {
      arguments.succession = random_token();
      arguments.table_made = table_made();
      postgres::name_temporary_file(arguments.succession, meeting.path);
    });
    awaited_ = {arguments.succession, 0, excess};
    transport::Failure refusal;
    giver_ = transport::Giver::meet(meeting.path, refusal);
    if (!giver_.has_value()) throw postgres::Error(ERRCODE_SYSTEM_ERROR, refusal.reason);
    registration_.await_successor(awaited_);
    deadline_ns_ = monotonic_ns() + kPatienceNs;
    handle_ = postgres::guard([&] {
      return postgres::in_context(TopMemoryContext, [&] { return start_successor(arguments); });
    });
    if (handle_ == nullptr) throw postgres::Error(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, kNoSlot);
  } catch (const postgres::Error& error) {
    failure = error;
  }
  if (failure.has_value()) return give_up(failure->what());
  postgres::guard([&] {
    ereport(LOG, (errmsg("influx: a new process is to take over the listener"),
                  errdetail("This one has %zu kB of memory beyond influx.max_memory which it "
                            "cannot give back.",
                            excess / 1024)));
  });
}

/// Nobody is awaited any more. What was started for it ends.
void Succession::let_go() noexcept {
  registration_.await_nobody();
  if (handle_ != nullptr) {
    TerminateBackgroundWorker(handle_);
    pfree(std::exchange(handle_, nullptr));
  }
  giver_.reset();
  awaited_ = {};
}

void Succession::give_up(const char* reason) {
  const std::size_t excess = awaited_.excess;
  let_go();
  may_begin_ns_ = monotonic_ns() + transport::back_off(kFirstPauseNs, kLongestPauseNs, ++failures_);
  if (!postgres::may_report(postgres::Report::kNotFollowed)) return;
  postgres::guard([&] {
    ereport(WARNING, (errmsg("influx: no new process takes over the listener: %s", reason),
                      errdetail("This one goes on with %zu kB of memory beyond influx.max_memory.",
                                excess / 1024)));
  });
}

bool Succession::is_ready() {
  if (!is_under_way()) return false;
  pid_t pid = 0;
  const BgwHandleStatus status =
      postgres::guard([&] { return GetBackgroundWorkerPid(handle_, &pid); });
  if (status == BGWH_STOPPED) {
    give_up("it has ended before");
    return false;
  }
  if (monotonic_ns() >= deadline_ns_) {
    give_up(awaited_.pid == 0 ? "it has taken too long" : "lines have waited for too long");
    return false;
  }
  if (status != BGWH_STARTED || !giver_->has_come(pid)) return false;
  if (giver_->is_gone()) {
    give_up("it has gone");
    return false;
  }
  if (std::exchange(awaited_.pid, pid) == 0)
    deadline_ns_ = std::min(deadline_ns_, monotonic_ns() + kReadyNs);
  return true;
}

bool Succession::hand_over(std::span<const transport::UdpSocket> sockets) {
  transport::Failure failure;
  if (!giver_->give(sockets, failure)) {
    give_up(failure.reason.c_str());
    return false;
  }
  const std::int64_t until_ns = monotonic_ns() + kStepNs;
  while (registration_.is_own() && !shutdown_requested() && !giver_->is_gone()) {
    if (!postgres::guard([&] { return wait_until(until_ns, postgres::listener_wait_event()); }))
      break;
  }
  if (registration_.await_nobody()) {
    give_up("it did not begin when it had the sockets");
    return false;
  }
  is_over_ = true;
  giver_.reset();
  postgres::guard([&] {
    ereport(LOG, (errmsg("influx: process %d has taken over the listener", awaited_.pid)));
  });
  return true;
}

void Succession::end() noexcept {
  if (!is_over_ && is_under_way()) let_go();
}

void Succession::pass_on() const noexcept {
  if (is_over_ && shutdown_requested()) kill(awaited_.pid, SIGTERM);
}

std::vector<transport::UdpSocket> await_sockets(const LaunchArguments& arguments,
                                                const Registration& registration) {
  std::vector<transport::UdpSocket> sockets;
  const int giver = registration.predecessor();
  if (giver == 0) return sockets;
  std::optional<transport::Taker> taker = come_to_meeting(arguments.succession, giver);
  if (!taker.has_value()) return sockets;
  wake_predecessor(giver);
  while (!shutdown_requested() && taker->take(sockets) == transport::Taker::Answer::kNone) {
    const int descriptor = taker->descriptor();
    postgres::guard([&] { wait_for_gift(descriptor); });
  }
  return sockets;
}

void wake_predecessor(int pid) noexcept {
  PGPROC* process = pid == 0 ? nullptr : BackendPidGetProc(pid);
  if (process != nullptr) SetLatch(&process->procLatch);
}

}  // namespace influx::worker
