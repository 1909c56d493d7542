#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "influx/transport/endpoint.h"

namespace influx::transport {

/// The networks whose datagrams are taken.
///
/// An IPv4 network is for IPv4 senders, an IPv6 network for IPv6 senders, `::/0` too. Only what is
/// below `::ffff:0:0/96`, IPv4 addresses in the form of IPv6, means the IPv4 addresses, in a list
/// and for a sender alike.
class SourceFilter {
 public:
  /// Takes the datagrams of everybody.
  SourceFilter() noexcept = default;

  /// Reads a list of networks, separated by commas, with spaces around them as you please:
  /// `10.0.0.0/8, 192.168.1.7, fd00::/8`. A network is an address with the length of its prefix, of
  /// which the bits behind the prefix are 0; an address alone is a network of one. An empty list
  /// takes everybody. Nothing, and `failure` filled, where the list is malformed; the reason begins
  /// with the element that is wrong. May throw std::bad_alloc.
  static std::optional<SourceFilter> parse(std::string_view list, Failure& failure);

  /// Whether everybody's datagrams are taken because no network was named.
  bool takes_everybody() const noexcept { return v4_.empty() && v6_.empty(); }

  /// Whether datagrams of `sender` are taken: the address that the kernel gave with a datagram, of
  /// either family. Without networks everybody's are; with some, none of an unknown family.
  bool takes(const sockaddr_in6& sender) const noexcept;

 private:
  /// An address of either family, IPv4 as `::ffff:a.b.c.d`. The order of the bytes is that of the
  /// network, so that comparing addresses compares numbers.
  using Address = std::array<std::uint8_t, sizeof(in6_addr)>;
  /// The addresses of a network.
  struct Range {
    Address first;
    Address last;
  };
  struct Network;

  static std::optional<Network> parse_network(std::string_view text, std::string& reason);
  static bool is_v4(const Address& address) noexcept;
  /// Puts ranges into order, and drops those that lie in others.
  static void settle(std::vector<Range>& ranges);

  // In order, and none of them meets another.
  std::vector<Range> v4_;
  std::vector<Range> v6_;
};

}  // namespace influx::transport
