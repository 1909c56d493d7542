#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "influx/transport/endpoint.h"

namespace influx::transport {

/// What a host means: its addresses with port 0, or why it means nothing.
struct HostAddresses {
  std::vector<Endpoint> endpoints;
  Failure failure;
};

/// Whether a name server may have to be asked for `host`: it is neither an address, nor `*`, nor
/// `localhost`.
bool is_name(std::string_view host) noexcept;

/// The lookup of hosts, in a thread of its own where one of them is a name: a name server that does
/// not answer holds up nobody for the seconds that the resolver waits for it.
///
/// The thread calls the resolver, and nothing else: it handles no signal (all are blocked), and
/// knows nothing of the server. It cannot be ended; who does not want the answer any more lets go
/// of the object, and the thread ends when the resolver does. A process has kMostThreads at most.
class Lookup {
 public:
  static constexpr int kMostThreads = 4;

  /// What a host is looked up for.
  enum class Use : bool { kListen, kSend };

  /// Begins. A lookup of no names is done at once. Nothing, and `failure` filled, where there can
  /// be no thread now: `error_number` is EAGAIN where that passes.
  static std::unique_ptr<Lookup> begin(std::vector<std::string> hosts, Use use, Failure& failure);
  ~Lookup();
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;

  bool done() const noexcept;
  /// Can be read from when it is done. -1 where it was done at once.
  int descriptor() const noexcept;

  const std::vector<std::string>& hosts() const noexcept;
  /// In the order of the hosts. Throws std::bad_alloc where there was no memory. REQUIRES: done().
  const std::vector<HostAddresses>& found() const;

 private:
  struct State;
  explicit Lookup(std::shared_ptr<State> state) noexcept;
  static void* run(void* state) noexcept;

  std::shared_ptr<State> state_;
};

}  // namespace influx::transport
