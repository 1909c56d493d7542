#pragma once

#include "influx/postgres/error.h"
#include "influx/transport/endpoint.h"

namespace influx::worker {

/// Addresses to listen on, in the form of influx.listen_addresses. Plain data.
struct AddressList {
  const char* text;
  int sqlstate;        ///< of what is wrong with them
  const char* source;  ///< what to check then, in words
};

/// The source of addresses that a listener has of its own.
inline constexpr const char* kAddressesOfListener = "the addresses of the listener";

/// Those of influx.listen_addresses, or what this process's listener has in its place. Good until
/// the settings are read again.
AddressList addresses_of_settings();

/// What `addresses` mean on `port`, each endpoint once. Throws postgres::Error where the list is
/// malformed, one of them cannot be resolved, or there are more than kMostAddresses.
std::vector<transport::Endpoint> resolve(const AddressList& addresses, std::uint16_t port);

/// Whether binding failed because the kernel was built or configured without the family of the
/// address. Such an address is passed over where there are others.
bool is_missing_family(const transport::Endpoint& endpoint, int error_number) noexcept;

/// The error that `endpoint`, one of `addresses`, cannot be bound.
postgres::Error bind_error(const transport::Endpoint& endpoint, const transport::Failure& failure,
                           const AddressList& addresses);

}  // namespace influx::worker
