#include "influx/worker/start_channel.h"

#include "influx/postgres/text.h"

namespace influx::worker {

namespace {

enum class Progress : std::uint32_t { kStarting, kListening, kFailed };
static_assert(std::atomic<Progress>::is_always_lock_free);

}  // namespace

struct StartChannel::Shared {
  std::uint64_t token = 0;
  std::atomic<Progress> progress{
      Progress::kStarting};  ///< once it is set, the worker writes nothing here any more
  int pid = 0;
  int sqlstate = 0;
  char message[512] = {};
  char detail[512] = {};
  char hint[512] = {};
};

StartChannel StartChannel::open(std::uint64_t token) {
  StartChannel channel;
  channel.segment_ = dsm_create(sizeof(Shared), 0);
  void* memory = dsm_segment_address(channel.segment_);
  channel.shared_ = new (memory) Shared;
  channel.shared_->token = token;
  return channel;
}

int StartChannel::listening_pid() const noexcept {
  const bool listens = shared_->progress.load(std::memory_order_acquire) == Progress::kListening;
  return listens ? shared_->pid : 0;
}

void StartChannel::raise_failure() const {
  const Shared& told = *shared_;
  if (told.progress.load(std::memory_order_acquire) != Progress::kFailed) {
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("the listener ended before it was listening"),
                    errhint("The server log may tell why.")));
  }
  ereport(ERROR, (errcode(told.sqlstate), errmsg("%s", told.message),
                  told.detail[0] != '\0' ? errdetail("%s", told.detail) : 0,
                  told.hint[0] != '\0' ? errhint("%s", told.hint) : 0));
  pg_unreachable();
}

void StartChannel::close() {
  shared_ = nullptr;
  dsm_detach(segment_);
}

bool StartChannel::attach(dsm_handle handle, std::uint64_t token) {
  segment_ = dsm_attach(handle);
  if (segment_ == nullptr) return false;
  // The number of a segment that has gone may be given to another one.
  if (dsm_segment_map_length(segment_) >= sizeof(Shared)) {
    shared_ = static_cast<Shared*>(dsm_segment_address(segment_));
    if (shared_->token == token) return true;
  }
  close();
  return false;
}

void StartChannel::tell_success() {
  if (!waiting()) return;
  shared_->pid = MyProcPid;
  shared_->progress.store(Progress::kListening, std::memory_order_release);
  PGPROC* launcher = BackendPidGetProc(MyBgworkerEntry->bgw_notify_pid);
  if (launcher != nullptr) SetLatch(&launcher->procLatch);
  close();
}

void StartChannel::tell_failure(int sqlstate, const char* message, const char* detail,
                                const char* hint) noexcept {
  if (!waiting()) return;
  const auto copy = [](std::span<char> to, const char* from) {
    postgres::copy_cut(to, from == nullptr ? "" : from);
  };
  shared_->sqlstate = sqlstate;
  copy(shared_->message, message);
  copy(shared_->detail, detail);
  copy(shared_->hint, hint);
  shared_->progress.store(Progress::kFailed, std::memory_order_release);
  shared_ = nullptr;
}

}  // namespace influx::worker
