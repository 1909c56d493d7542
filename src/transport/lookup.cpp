#include "influx/transport/lookup.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <new>

#include "failure.h"

namespace influx::transport {

namespace {

/// The resolver keeps answers on its stack, and loads modules.
constexpr std::size_t kStackBytes = std::size_t{1} << 20U;

constinit std::atomic<int> threads{0};

}  // namespace

struct Lookup::State {
  State(std::vector<std::string> names, Use what) : hosts(std::move(names)), use(what) {}
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    if (wake >= 0) close(wake);
  }

  void look_up() {
    for (const std::string& host : hosts) {
      HostAddresses addresses;
      addresses.endpoints = use == Use::kListen ? listen_endpoints(host, 0, addresses.failure)
                                                : send_endpoints(host, 0, addresses.failure);
      found.push_back(std::move(addresses));
    }
  }

  /// Every host has an answer, if only that there was no memory for another one.
  void look_up_or_fail() noexcept {
    try {
      found.reserve(hosts.size());
      look_up();
    } catch (const std::bad_alloc&) {
      out_of_memory = true;
    }
  }

  const std::vector<std::string> hosts;
  const Use use;
  std::vector<HostAddresses> found;  ///< written before `done` is set, and not any more after
  bool out_of_memory = false;
  std::atomic<bool> done{false};
  int wake = -1;  ///< an eventfd
};

Lookup::Lookup(std::shared_ptr<State> state) noexcept : state_(std::move(state)) {}

Lookup::~Lookup() = default;

void* Lookup::run(void* argument) noexcept {
  const std::unique_ptr<std::shared_ptr<State>> holder(
      static_cast<std::shared_ptr<State>*>(argument));
  State& state = **holder;
  pthread_setname_np(pthread_self(), "influx-lookup");
  state.look_up_or_fail();
  state.done.store(true);
  eventfd_write(state.wake, 1);
  threads.fetch_sub(1);
  return nullptr;
}

std::unique_ptr<Lookup> Lookup::begin(std::vector<std::string> hosts, Use use, Failure& failure) {
  const bool has_name = std::ranges::any_of(hosts, [](const auto& host) { return is_name(host); });
  auto state = std::make_shared<State>(std::move(hosts), use);
  std::unique_ptr<Lookup> lookup(new Lookup(state));
  if (!has_name) {
    state->look_up();
    state->done = true;
    return lookup;
  }

  state->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (state->wake < 0) {
    failure = system_failure(errno);
    return nullptr;
  }
  // Only the owner's thread begins one.
  if (threads.load() >= kMostThreads) {
    failure = {EAGAIN, "the name server has not answered earlier questions"};
    return nullptr;
  }
  auto holder = std::make_unique<std::shared_ptr<State>>(state);

  // A thread inherits the mask of its creator: see Catcher.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = 0;
  pthread_attr_t attributes;
  pthread_t thread{};
  error = pthread_attr_init(&attributes);
  if (error == 0) {
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    threads.fetch_add(1);
    error = pthread_create(&thread, &attributes, &Lookup::run, holder.get());
    if (error != 0) threads.fetch_sub(1);
    pthread_attr_destroy(&attributes);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    failure = system_failure(error);
    return nullptr;
  }
  static_cast<void>(holder.release());
  return lookup;
}

bool Lookup::done() const noexcept {
  return state_->done.load();
}

int Lookup::descriptor() const noexcept {
  return state_->wake;
}

const std::vector<std::string>& Lookup::hosts() const noexcept {
  return state_->hosts;
}

const std::vector<HostAddresses>& Lookup::found() const {
  if (state_->out_of_memory) throw std::bad_alloc();
  return state_->found;
}

}  // namespace influx::transport
