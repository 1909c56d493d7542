// Lists of networks, against a reader that compares address and network bit by bit.

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/check.h"
#include "influx/transport/source_filter.h"

namespace influx::fuzz {
namespace {

using transport::Failure;
using transport::SourceFilter;

/// An address of one family, a bit an element.
using Bits = std::vector<bool>;

template <typename Address>
Bits bits_of(const Address& address) {
  std::array<std::uint8_t, sizeof(Address)> bytes{};
  std::memcpy(bytes.data(), &address, sizeof(address));
  Bits bits;
  for (const unsigned byte : bytes) {
    for (unsigned bit = 8; bit-- > 0;)
      bits.push_back((byte >> bit & 1U) != 0);
  }
  return bits;
}

/// The bits of an IPv6 address; those of the IPv4 address where it is one in the form of IPv6.
Bits unmapped(const Bits& bits, std::size_t prefix) {
  Bits mapped(80, false);
  mapped.resize(96, true);
  const bool v4 = prefix >= 96 && std::equal(mapped.begin(), mapped.end(), bits.begin());
  return v4 ? Bits(bits.begin() + 96, bits.end()) : bits;
}

/// What a network asks of an address: the size of its family, and its first bits.
struct Network {
  std::size_t size;
  Bits first;
  Bits address;  ///< of the network itself
};

std::optional<Network> read_network(const std::string& text) {
  const std::size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  if (host.find('\0') != std::string::npos) return std::nullopt;
  Bits bits;
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    bits = bits_of(v4);
  } else if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) {
    bits = bits_of(v6);
  } else {
    return std::nullopt;
  }

  std::size_t prefix = bits.size();
  if (slash != std::string::npos) {
    prefix = 0;
    if (slash + 1 == text.size()) return std::nullopt;
    for (const char c : text.substr(slash + 1)) {
      if (c < '0' || c > '9') return std::nullopt;
      prefix = std::min<std::size_t>(1'000, prefix * 10 + static_cast<std::size_t>(c - '0'));
    }
    if (prefix > bits.size()) return std::nullopt;
  }
  if (std::find(bits.begin() + static_cast<std::ptrdiff_t>(prefix), bits.end(), true) != bits.end())
    return std::nullopt;
  if (bits.size() == 128) {
    const Bits plain = unmapped(bits, prefix);
    prefix -= bits.size() - plain.size();
    bits = plain;
  }
  return Network{bits.size(),
                 Bits(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(prefix)), bits};
}

/// The networks of a list; nothing where it is malformed.
std::optional<std::vector<Network>> read_list(std::string_view list) {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  std::vector<Network> networks;
  if (list.find_first_not_of(kSpace) == std::string_view::npos) return networks;
  std::string element;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    if (i < list.size() && list[i] != ',') {
      element += list[i];
      continue;
    }
    while (!element.empty() && kSpace.find(element.back()) != std::string_view::npos)
      element.pop_back();
    while (!element.empty() && kSpace.find(element.front()) != std::string_view::npos)
      element.erase(0, 1);
    const std::optional<Network> network = read_network(element);
    if (!network) return std::nullopt;
    networks.push_back(*network);
    element.clear();
  }
  return networks;
}

bool is_taken(const std::vector<Network>& networks, const Bits& sender) {
  return networks.empty() ||
         std::any_of(networks.begin(), networks.end(), [&](const Network& network) {
           return network.size == sender.size() &&
                  std::equal(network.first.begin(), network.first.end(), sender.begin());
         });
}

sockaddr_in6 v4_sender(const in_addr& address) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr = address;
  sockaddr_in6 sender{};
  std::memcpy(&sender, &v4, sizeof(v4));
  return sender;
}

sockaddr_in6 v6_sender(const in6_addr& address) {
  sockaddr_in6 sender{};
  sender.sin6_family = AF_INET6;
  sender.sin6_addr = address;
  return sender;
}

void check_sender(const SourceFilter& filter, const std::vector<Network>& networks,
                  const Bits& bits) {
  std::array<std::uint8_t, sizeof(in6_addr)> bytes{};
  for (std::size_t i = 0; i < bits.size(); ++i)
    bytes[i / 8] |= static_cast<std::uint8_t>(bits[i] ? 0x80U >> i % 8 : 0U);
  if (bits.size() == 32) {
    in_addr address{};
    std::memcpy(&address, bytes.data(), sizeof(address));
    check(filter.takes(v4_sender(address)) == is_taken(networks, bits), "an IPv4 sender");
  } else {
    in6_addr address{};
    std::memcpy(&address, bytes.data(), sizeof(address));
    check(filter.takes(v6_sender(address)) == is_taken(networks, unmapped(bits, 128)),
          "an IPv6 sender");
  }
}

/// The addresses at both ends of a network, and those next to them outside.
void check_edges(const SourceFilter& filter, const std::vector<Network>& networks,
                 const Network& network) {
  Bits bits = network.address;
  check_sender(filter, networks, bits);
  std::fill(bits.begin() + static_cast<std::ptrdiff_t>(network.first.size()), bits.end(), true);
  check_sender(filter, networks, bits);
  for (const bool up : {true, false}) {
    // Counts on by one from the last address, or back from the first.
    Bits next = up ? bits : network.address;
    for (std::size_t i = next.size(); i-- > 0;) {
      next[i] = !next[i];
      if (next[i] == up) break;
    }
    check_sender(filter, networks, next);
  }
}

}  // namespace
}  // namespace influx::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace influx::fuzz;
  // The list; in front of it, behind a zero byte, an address to ask for.
  std::string_view list(reinterpret_cast<const char*>(data), size);
  std::array<std::uint8_t, sizeof(in6_addr)> address{};
  if (size > address.size() && data[0] == 0) {
    std::memcpy(address.data(), data + 1, address.size());
    list.remove_prefix(1 + address.size());
  }

  Failure failure;
  const std::optional<SourceFilter> filter = SourceFilter::parse(list, failure);
  const auto networks = read_list(list);
  check(filter.has_value() == networks.has_value(), "both read the list, or neither");
  if (!filter) {
    check(failure.reason.starts_with("element "), "the reason names the element");
    return 0;
  }
  check(filter->takes_everybody() == networks->empty(), "an empty list");

  in6_addr v6{};
  in_addr v4{};
  std::memcpy(&v6, address.data(), sizeof(v6));
  std::memcpy(&v4, address.data() + 12, sizeof(v4));
  check_sender(*filter, *networks, bits_of(v6));
  check_sender(*filter, *networks, bits_of(v4));
  // Each with all is square work; a few of a long list tell as much.
  for (std::size_t i = 0; i < std::min<std::size_t>(networks->size(), 20); ++i)
    check_edges(*filter, *networks, (*networks)[i]);
  return 0;
}
