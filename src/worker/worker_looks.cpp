// What a worker looks up beside its batches: whether what it works for is there, its settings, room
// to count tables. Where a catalog is locked, or whatever else stands against it, that is done
// later, and the batches go on.

#include "influx/ingest/attempt.h"
#include "influx/postgres/error.h"
#include "influx/postgres/report.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/schema/table_counts.h"
#include "influx/transport/clock.h"
#include "influx/worker/overrides.h"
#include "influx/worker/worker.h"

namespace influx::worker {

using transport::kNsPerMs;
using transport::monotonic_ns;

namespace {

/// Received once more at an address that is given up: about what a kernel's buffer holds.
constexpr std::size_t kMostAtEnd = 16384;
/// How often the process looks for what others have changed, however idle it is. It costs no
/// transaction where nothing has.
constexpr std::int64_t kLookNs = 1000 * kNsPerMs;

/// The least time between two searches for dropped tables.
constexpr std::int64_t kLookForRoomNs = 600'000 * kNsPerMs;

/// What stands against a step of a reload is logged, and the other steps are taken.
template <typename Step>
void try_to(Step&& step) {
  std::optional<postgres::Error> failure;
  try {
    step();
  } catch (const postgres::Error& error) {
    failure = error;
  }
  if (failure.has_value()) failure->warn();
}

}  // namespace

/// Runs `look`, which is a transaction beside the batches. False where it failed, as where somebody
/// has a catalog locked: it is to be tried again later, and the batches go on.
template <typename Look>
bool Worker::try_to_look(Look&& look) {
  std::optional<postgres::Error> failure;
  {
    const postgres::BriefLockWait brief;
    failure = ingest::attempt(transactions_, look);
  }
  if (failure.has_value() && postgres::may_report(postgres::Report::kLookPutOff)) {
    postgres::guard([&] {
      ereport(LOG,
              (errcode(failure->sqlstate()), errmsg("influx: a look at the catalog is put off: %s",
                                                    postgres::printable(failure->what()))));
    });
  }
  return !failure.has_value();
}

/// What the process looks up now and then, beside its batches. False where what it works for is
/// gone.
bool Worker::look_around() {
  if (monotonic_ns() < look_at_ns_) return true;
  try_to_look([] { TargetWatch::accept_changes(); });
  if (has_to_take_overrides_) take_settings();
  if (has_to_describe_) has_to_describe_ = !describe_process();
  if (target_.is_due()) {
    try_to_look([&] {
      postgres::begin_transaction();
      gone_ = target_.look();
      postgres::commit_transaction();
    });
  }
  if (batch_datagrams_ == 0 && !resume_at_ns_.has_value()) ingestor_.look_at_memory();
  look_at_ns_ = monotonic_ns() + kLookNs;
  return gone_ == nullptr;
}

/// What pg_stat_activity tells of this process.
bool Worker::describe_process() {
  char name[NAMEDATALEN];
  const std::string addresses = listener_.addresses();
  const char* shown = addresses.c_str();
  const bool looked = try_to_look([&] {
    postgres::begin_transaction();
    schema::start_counting_tables();
    const char* schema = get_namespace_name(arguments_.namespace_oid);
    snprintf(name, sizeof(name), "influx %s %s", schema == nullptr ? "?" : schema, shown);
    postgres::commit_transaction();
    SetConfigOption("application_name", name, PGC_USERSET, PGC_S_OVERRIDE);
  });
  postgres::guard([] { pgstat_report_activity(STATE_IDLE, "listening"); });
  return looked;
}

void Worker::reload() {
  ProcessConfigFile(PGC_SIGHUP);
  has_to_take_overrides_ = false;
  take_settings();
}

/// Does what the settings ask for now. Where the listener's own ones cannot be read, it goes on
/// with those before, and reads them later.
void Worker::take_settings() {
  const bool again = has_to_take_overrides_;
  has_to_take_overrides_ = !try_to_look([&] { take_overrides(arguments_, registration_, false); });
  if (again && has_to_take_overrides_) return;
  try_to([&] { inbox_.set_filter(Listener::allowed_sources()); });
  move();
  ingestor_.forget_tables();
}

/// Listens where the settings say now. A name that has to be looked up is waited for in the loop,
/// which then comes here again; until then the process listens where it did.
void Worker::move() {
  try_to([&] {
    listener_.look_up();
    if (listener_.has_found()) listener_.take_addresses();
  });
  try_to([&] {
    // What waits at an address that is given up was sent to a listener that was there.
    {
      const std::vector<transport::UdpSocket> given_up = listener_.configure();
      inbox_.receive(given_up, kMostAtEnd);
      survey();
    }
    listener_.keep_claims();
  });
  rebuild_wait_sets();
  has_to_describe_ = !describe_process();
  show_sockets();
}

/// Where there was no room to count a table in shared memory, that of dropped ones is freed, if
/// there are any.
void Worker::make_room_for_tables() {
  if (!schema::lacks_room_for_tables()) return;
  const bool is_first = looked_for_room_ns_ == 0;
  if (!is_first && monotonic_ns() - looked_for_room_ns_ < kLookForRoomNs) return;
  looked_for_room_ns_ = monotonic_ns();
  const auto failure = ingest::attempt(transactions_, [&] {
    transactions_.begin();
    schema::remove_dropped_tables();
    transactions_.commit();
  });
  if (failure.has_value() || !is_first) return;
  ereport(LOG, (errmsg("influx: there are more tables than pg_stat_influx_tables has room for"),
                errdetail("It counts for %u tables of the server; dropped ones make room for "
                          "others.",
                          schema::kMostCountedTables)));
}

}  // namespace influx::worker
