#pragma once

#include "influx/postgres/error.h"
#include "influx/transport/endpoint_key.h"
#include "influx/worker/registry.h"

namespace influx::worker {

// Which listener has which endpoint. The kernel lets all processes of one user share a port, and
// divides the datagrams among them; so the listeners of a server settle it among themselves. A
// process claims an endpoint in its entry of the table of listeners before it binds it, and gives
// the claim up when its socket is closed. Processes of one listener may claim the same.

/// The most addresses on which a process can listen.
inline constexpr std::size_t kMostAddresses = 64;

/// The endpoints that a process has claimed. In shared memory, guarded by the lock of the table.
struct Claims {
  /// At a reload a process has its claims before and after.
  static constexpr std::size_t kMost = 2 * kMostAddresses;

  std::uint32_t count = 0;
  std::array<transport::EndpointKey, kMost> endpoints;

  std::span<const transport::EndpointKey> all() const noexcept { return {endpoints.data(), count}; }
  /// REQUIRES: there is room.
  void add(const transport::EndpointKey& endpoint) noexcept { endpoints[count++] = endpoint; }
};

/// Another listener that has an endpoint which was asked for. Plain data.
struct Claimant {
  LaunchArguments arguments;
  char listener[NAMEDATALEN];        ///< its name in the table influx_listeners, or empty
  transport::EndpointKey its_own;    ///< its endpoint
  transport::EndpointKey asked_for;  ///< the one that overlaps it
};

/// Whether both are of one listener: all that decides where its points go, and as whom.
bool is_same_listener(const LaunchArguments& left, const LaunchArguments& right) noexcept;

/// The error that `claimant` has an endpoint. It names the listener where the current user may see
/// it: its own role's, one whose rights it has, or any as a member of pg_monitor. REQUIRES: no
/// transaction. Throws.
postgres::Error claimed_error(const Claimant& claimant);

}  // namespace influx::worker
