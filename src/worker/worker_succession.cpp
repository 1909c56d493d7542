// How a worker gives way to another process of its listener, and how it takes over from one.

#include "influx/postgres/error.h"
#include "influx/worker/signals.h"
#include "influx/worker/worker.h"

namespace influx::worker {

/// Whether nothing is left of what was received.
bool Worker::nothing_waits() const {
  return counters().waiting == 0 && batch_datagrams_ == 0 && rejects_.waiting() == 0 &&
         finished_datagrams_ == inbox_.counts().datagrams;
}

/// What there is to do where the process has too much memory for good. True where another one has
/// taken over.
bool Worker::give_way() {
  // What waits for tables stays in this process, and may do so for long.
  const bool is_free = !resume_at_ns_.has_value() && ingestor_.held() == 0;
  if (succession_.is_under_way()) return succession_.is_ready() && is_free && hand_over();
  if (!is_free || !succession_.may_begin()) return false;
  const std::size_t excess = ingestor_.excess_memory();
  if (excess > 0) succession_.begin(excess);
  return false;
}

/// Writes all that was received, and lets the other process go on behind it.
bool Worker::hand_over() {
  // What comes in while a batch is written is taken from the kernel, but for the last, small one.
  if (waits_since_ns_.has_value()) write_batch();
  catches_ = false;
  while (waits_since_ns_.has_value() && !resume_at_ns_.has_value() && !shutdown_requested()) {
    write_batch();
    MemoryContextReset(memory_);
  }
  catches_ = true;
  if (shutdown_requested() || !nothing_waits()) return false;
  inbox_.note_drops(listener_.sockets());
  publish();
  has_given_way_ = succession_.hand_over(listener_.sockets());
  postgres::guard([] { SetLatch(MyLatch); });  // there may have been other news
  return has_given_way_;
}

bool Worker::inherit() {
  inbox_.set_filter(Listener::allowed_sources());
  postgres::guard([&] { target_.start(); });
  std::vector<transport::UdpSocket> sockets = await_sockets(arguments_, registration_);
  if (sockets.empty() || shutdown_requested()) return false;
  const std::size_t count = sockets.size();
  listener_.adopt(std::move(sockets));
  postgres::guard([&] { rebuild_wait_sets(); });
  const int predecessor = registration_.predecessor();
  Successor taken;
  if (!registration_.take_over(&taken)) return false;
  succession_.note_followed();
  postgres::guard([&] {
    wake_predecessor(predecessor);
    ereport(LOG, (errmsg("influx: taking over the listener from process %d, with %zu sockets",
                         predecessor, count),
                  errdetail("That had %zu kB of memory beyond influx.max_memory which it could "
                            "not give back.",
                            taken.excess / 1024)));
    // What has changed since this process has begun may have been told to the other one.
    ConfigReloadPending = true;
    SetLatch(MyLatch);
  });
  return true;
}

}  // namespace influx::worker
