#include "influx/schema/prepared_counts.h"

#include "influx/postgres/compat.h"

namespace influx::schema {

namespace {

enum class Ending : std::uint8_t { kNone, kCommitted, kOther };

/// In shared memory: plain data and an atomic.
struct SharedCounts {
  int tranche;
  LWLock lock;
  std::atomic<std::uint32_t> used;  ///< written under the lock
  PreparedCounts counts[kMostPreparedCounts];

  std::span<PreparedCounts> all() noexcept {
    return {counts, used.load(std::memory_order_relaxed)};
  }
};

constexpr const char* kSegment = "influx prepared transactions";

void make_counts(void* memory) {
  auto* made = static_cast<SharedCounts*>(memory);
  made->tranche = LWLockNewTrancheId();
  LWLockInitialize(&made->lock, made->tranche);
  new (&made->used) std::atomic<std::uint32_t>(0);
}

// Of this process.
SharedCounts* shared = nullptr;

/// How a transaction has ended, as the server tells: it looks whether it is known, under the lock
/// that keeps its records.
Ending ending_of(FullTransactionId transaction) {
  LOCAL_FCINFO(call, 1);
  InitFunctionCallInfoData(*call, nullptr, 1, InvalidOid, nullptr, nullptr);
  call->args[0].value = UInt64GetDatum(U64FromFullTransactionId(transaction));
  call->args[0].isnull = false;
  const Datum status = pg_xact_status(call);
  // NULL is for one that is so old that nothing is known of it any more.
  if (call->isnull) return Ending::kOther;
  const char* name = TextDatumGetCString(status);
  if (std::strcmp(name, "committed") == 0) return Ending::kCommitted;
  return std::strcmp(name, "in progress") == 0 ? Ending::kNone : Ending::kOther;
}

std::span<PreparedCounts> copy_of_all() {
  LWLockAcquire(&shared->lock, LW_SHARED);
  const auto used = static_cast<std::size_t>(shared->all().size());
  LWLockRelease(&shared->lock);
  auto* copies = static_cast<PreparedCounts*>(palloc(sizeof(PreparedCounts) * (used + 1)));
  LWLockAcquire(&shared->lock, LW_SHARED);
  const std::size_t count = std::min(used, shared->all().size());
  std::copy_n(shared->counts, count, copies);
  LWLockRelease(&shared->lock);
  return {copies, count};
}

/// Takes the counts away; false where somebody else has done so.
bool take(const PreparedCounts& counts) {
  LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
  const std::span<PreparedCounts> all = shared->all();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const PreparedCounts& each) { return each.is_of(counts); });
  const bool taken = found != all.end();
  if (taken) {
    *found = all.back();
    shared->used.store(static_cast<std::uint32_t>(all.size() - 1), std::memory_order_relaxed);
  }
  LWLockRelease(&shared->lock);
  return taken;
}

}  // namespace

void start_keeping_prepared_counts() {
  if (shared != nullptr || max_prepared_xacts == 0) return;
  auto* mapped = static_cast<SharedCounts*>(
      postgres::named_segment(kSegment, sizeof(SharedCounts), make_counts));
  LWLockRegisterTranche(mapped->tranche, "influx_prepared");
  shared = mapped;
}

bool has_room_for_prepared_counts(std::size_t tables) noexcept {
  return shared == nullptr ||
         shared->used.load(std::memory_order_relaxed) + tables <= kMostPreparedCounts;
}

void keep_prepared_counts(const PreparedCounts& counts) noexcept {
  if (shared == nullptr) return;
  LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
  const std::uint32_t used = shared->used.load(std::memory_order_relaxed);
  if (used < kMostPreparedCounts) {
    shared->counts[used] = counts;
    shared->used.store(used + 1, std::memory_order_relaxed);
  }
  LWLockRelease(&shared->lock);
}

void settle_prepared_counts(void (*add)(const PreparedCounts& counts)) {
  start_keeping_prepared_counts();
  if (shared == nullptr || shared->used.load(std::memory_order_relaxed) == 0) return;
  FullTransactionId last = InvalidFullTransactionId;
  Ending ending = Ending::kNone;
  for (const PreparedCounts& counts : copy_of_all()) {
    CHECK_FOR_INTERRUPTS();
    // Those of a transaction mostly stand together.
    if (!FullTransactionIdEquals(last, counts.transaction)) ending = ending_of(counts.transaction);
    last = counts.transaction;
    if (ending == Ending::kNone || !take(counts)) continue;
    if (ending == Ending::kCommitted) add(counts);
  }
}

}  // namespace influx::schema
