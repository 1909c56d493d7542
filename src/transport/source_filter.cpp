#include "influx/transport/source_filter.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

namespace influx::transport {

namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
constexpr unsigned kV4PrefixBits = 8 * kV4Prefix.size();
constexpr unsigned kV4Bits = 8 * sizeof(in_addr);
constexpr unsigned kV6Bits = 8 * sizeof(in6_addr);

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

/// The bits of byte `index` of an address that a prefix of `bits` bits leaves open.
std::uint8_t open_bits(std::size_t index, unsigned bits) noexcept {
  const auto before = static_cast<unsigned>(8 * index);
  return bits <= before ? 0xFF : static_cast<std::uint8_t>(0xFFU >> std::min(bits - before, 8U));
}

/// An address as it is written, in the form of the family that has so many bits.
std::string text_of(const std::array<std::uint8_t, sizeof(in6_addr)>& address, unsigned bits) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = bits == kV4Bits;
  const char* const written =
      inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? kV4Prefix.size() : 0), text.data(),
                text.size());
  return written == nullptr ? std::string() : std::string(written);
}

}  // namespace

/// As an element of the list names it.
struct SourceFilter::Network {
  Address address;
  unsigned bits;  ///< of the prefix, in the IPv6 form of the address
};

bool SourceFilter::is_v4(const Address& address) noexcept {
  return std::equal(kV4Prefix.begin(), kV4Prefix.end(), address.begin());
}

/// Nothing, and the `reason` in words that go behind the element, where `text` names no network.
std::optional<SourceFilter::Network> SourceFilter::parse_network(std::string_view text,
                                                                 std::string& reason) {
  const std::size_t slash = text.find('/');
  const std::string host(text.substr(0, slash));
  if (host.find('%') != std::string::npos) {
    reason = "has a zone, and a network cannot have one";
    return std::nullopt;
  }

  Network network{};
  Address& address = network.address;
  unsigned family_bits = kV6Bits;
  // A C string ends at a zero byte, and what is behind it must not be passed over.
  bool known = host.find('\0') == std::string::npos;
  if (known && inet_pton(AF_INET, host.c_str(), address.data() + kV4Prefix.size()) == 1) {
    std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.begin());
    family_bits = kV4Bits;
  } else {
    known = known && inet_pton(AF_INET6, host.c_str(), address.data()) == 1;
  }
  if (!known) {
    reason = "is neither an IPv4 nor an IPv6 address, nor a network in CIDR form";
    return std::nullopt;
  }

  unsigned bits = family_bits;
  if (slash != std::string_view::npos) {
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + slash + 1, end, bits);
    if (error != std::errc() || stop != end || bits > family_bits) {
      reason = family_bits == kV4Bits ? "has no prefix length from 0 to 32 behind the slash"
                                      : "has no prefix length from 0 to 128 behind the slash";
      return std::nullopt;
    }
  }
  network.bits = bits + (kV6Bits - family_bits);

  const Address named = address;
  for (std::size_t i = 0; i < address.size(); ++i)
    address[i] &= static_cast<std::uint8_t>(~open_bits(i, network.bits));
  if (address != named) {
    reason = "has bits set to the right of its prefix; the network is " +
             text_of(address, family_bits) + "/" + std::to_string(bits);
    return std::nullopt;
  }
  return network;
}

std::optional<SourceFilter> SourceFilter::parse(std::string_view list, Failure& failure) {
  SourceFilter filter;
  if (trimmed(list).empty()) return filter;

  for (std::size_t number = 1, at = 0; at <= list.size(); ++number) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const std::string_view element = trimmed(list.substr(at, comma - at));
    at = comma + 1;
    if (element.empty()) {
      failure = {0, "element " + std::to_string(number) + " is empty"};
      return std::nullopt;
    }
    std::string reason;
    const std::optional<Network> network = parse_network(element, reason);
    if (!network) {
      failure = {0, "element \"" + std::string(element) + "\" " + reason};
      return std::nullopt;
    }

    Range range{network->address, network->address};
    for (std::size_t i = 0; i < range.last.size(); ++i)
      range.last[i] |= open_bits(i, network->bits);
    const bool v4 = network->bits >= kV4PrefixBits && is_v4(network->address);
    (v4 ? filter.v4_ : filter.v6_).push_back(range);
  }
  settle(filter.v4_);
  settle(filter.v6_);
  return filter;
}

void SourceFilter::settle(std::vector<Range>& ranges) {
  // The larger one of two that begin together comes first.
  std::ranges::sort(ranges, [](const Range& left, const Range& right) {
    return left.first != right.first ? left.first < right.first : left.last > right.last;
  });
  // Two networks are apart, or one is inside the other.
  std::vector<Range> apart;
  for (const Range& range : ranges) {
    if (apart.empty() || apart.back().last < range.first) apart.push_back(range);
  }
  ranges = std::move(apart);
}

bool SourceFilter::takes(const sockaddr_in6& sender) const noexcept {
  if (takes_everybody()) return true;

  Address address{};
  if (sender.sin6_family == AF_INET6) {
    std::memcpy(address.data(), &sender.sin6_addr, address.size());
  } else if (sender.sin6_family == AF_INET) {
    sockaddr_in v4{};
    static_assert(sizeof(v4) <= sizeof(sender));
    std::memcpy(&v4, &sender, sizeof(v4));
    std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.begin());
    std::memcpy(address.data() + kV4Prefix.size(), &v4.sin_addr, sizeof(v4.sin_addr));
  } else {
    return false;
  }

  const std::vector<Range>& ranges = is_v4(address) ? v4_ : v6_;
  const auto behind = std::ranges::upper_bound(ranges, address, {}, &Range::first);
  return behind != ranges.begin() && address <= std::prev(behind)->last;
}

}  // namespace influx::transport
