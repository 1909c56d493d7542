#pragma once

#include "influx/postgres/error.h"
#include "influx/transport/lookup.h"

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

/// What a list of addresses means on a port, being found out: a name server may take its time.
class Resolution {
 public:
  /// Begins. Throws postgres::Error where the list is malformed, or names cannot be looked up now.
  Resolution(const AddressList& addresses, std::uint16_t port);

  bool done() const noexcept { return lookup_->done(); }
  /// Can be read from when it is done; -1 where it was done at once.
  int descriptor() const noexcept { return lookup_->descriptor(); }

  /// Each endpoint once. Throws postgres::Error where one of them cannot be resolved, or there are
  /// more than kMostAddresses. REQUIRES: done().
  std::vector<transport::Endpoint> endpoints() const;

 private:
  int sqlstate_;
  const char* source_;
  std::uint16_t port_;
  std::unique_ptr<transport::Lookup> lookup_;
};

/// Waits once, until the descriptor can be read from or the process is woken up. Raises.
void wait_readable(int descriptor);

/// Waits until a lookup is done. The server's interrupts are seen meanwhile, and a listener's that
/// is told to end. Throws what they raise.
template <typename Awaited>
void wait_for(const Awaited& lookup) {
  while (!lookup.done()) {
    const int descriptor = lookup.descriptor();
    postgres::guard([&] { wait_readable(descriptor); });
  }
}

/// What `addresses` mean on `port`. Waits, and throws, as the two above.
std::vector<transport::Endpoint> resolve(const AddressList& addresses, std::uint16_t port);

/// Whether binding failed because the kernel was built or configured without the family of the
/// address. Such an address is passed over where there are others.
bool is_missing_family(const transport::Endpoint& endpoint, int error_number) noexcept;

/// The error that `endpoint`, one of `addresses`, cannot be bound.
postgres::Error bind_error(const transport::Endpoint& endpoint, const transport::Failure& failure,
                           const AddressList& addresses);

}  // namespace influx::worker
