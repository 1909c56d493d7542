// The list of networks whose datagrams are taken.

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "influx/transport/source_filter.h"

namespace influx::transport {
namespace {

/// As the kernel gives the address of a sender.
sockaddr_in6 sender(const std::string& host) {
  sockaddr_in6 address{};
  sockaddr_in v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(8089);
    std::memcpy(&address, &v4, sizeof(v4));
    return address;
  }
  if (inet_pton(AF_INET6, host.c_str(), &address.sin6_addr) != 1) throw std::runtime_error(host);
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(8089);
  return address;
}

SourceFilter filter_of(std::string_view list) {
  Failure failure;
  std::optional<SourceFilter> filter = SourceFilter::parse(list, failure);
  if (!filter) throw std::runtime_error(failure.reason);
  return std::move(*filter);
}

std::string reason(std::string_view list) {
  Failure failure;
  return SourceFilter::parse(list, failure) ? std::string() : failure.reason;
}

TEST(TransportSourceFilter, EmptyListTakesEverybody) {
  for (const std::string_view list : {"", " ", " \t\n"}) {
    const SourceFilter filter = filter_of(list);
    EXPECT_TRUE(filter.takes_everybody());
    EXPECT_TRUE(filter.takes(sender("203.0.113.7")));
    EXPECT_TRUE(filter.takes(sender("2001:db8::7")));
    EXPECT_TRUE(filter.takes(sockaddr_in6{}));
  }
  EXPECT_TRUE(SourceFilter().takes(sender("203.0.113.7")));
  EXPECT_FALSE(filter_of("0.0.0.0/0").takes_everybody());
}

TEST(TransportSourceFilter, EdgesOfNetworks) {
  struct Case {
    const char* network;
    const char* first;
    const char* last;
    const char* below;
    const char* above;
  };
  constexpr Case kCases[] = {
      {"10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
      {"192.168.1.7", "192.168.1.7", "192.168.1.7", "192.168.1.6", "192.168.1.8"},
      {"192.168.1.7/32", "192.168.1.7", "192.168.1.7", "192.168.1.6", "192.168.1.8"},
      {"192.168.1.6/31", "192.168.1.6", "192.168.1.7", "192.168.1.5", "192.168.1.8"},
      {"172.16.0.0/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
      {"128.0.0.0/1", "128.0.0.0", "255.255.255.255", "127.255.255.255", "::"},
      {"0.0.0.0/0", "0.0.0.0", "255.255.255.255", "::", "::1"},
      {"::1", "::1", "::1", "::", "::2"},
      {"fd00::/8", "fd00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
       "fcff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe00::"},
      {"2001:db8:0:8000::/49", "2001:db8:0:8000::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff",
       "2001:db8:0:7fff:ffff:ffff:ffff:ffff", "2001:db8:1::"},
      {"2001:db8::fffe/127", "2001:db8::fffe", "2001:db8::ffff", "2001:db8::fffd", "2001:db8::1:0"},
  };
  for (const Case& each : kCases) {
    const SourceFilter filter = filter_of(each.network);
    EXPECT_TRUE(filter.takes(sender(each.first))) << each.network;
    EXPECT_TRUE(filter.takes(sender(each.last))) << each.network;
    EXPECT_FALSE(filter.takes(sender(each.below))) << each.network;
    EXPECT_FALSE(filter.takes(sender(each.above))) << each.network;
  }
}

TEST(TransportSourceFilter, ListsInAnyOrderAndOneInsideTheOther) {
  const SourceFilter filter = filter_of(
      " 192.168.1.7,10.0.0.0/8 ,\t10.1.2.0/24,::1, 10.0.0.0/8,10.0.0.0/16,\nfd00:1::/32,fd00::/8");
  for (const char* host : {"192.168.1.7", "10.0.0.0", "10.1.2.3", "10.255.255.255", "::1",
                           "fd00:1::1", "fd00:2::1", "fdff::"}) {
    EXPECT_TRUE(filter.takes(sender(host))) << host;
  }
  for (const char* host : {"192.168.1.6", "9.9.9.9", "11.0.0.0", "127.0.0.1", "::2", "fc00::1"}) {
    EXPECT_FALSE(filter.takes(sender(host))) << host;
  }
}

TEST(TransportSourceFilter, FamiliesAreApart) {
  const SourceFilter six = filter_of("::/0");
  EXPECT_TRUE(six.takes(sender("::")));
  EXPECT_TRUE(six.takes(sender("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")));
  EXPECT_FALSE(six.takes(sender("10.0.0.1")));
  EXPECT_FALSE(six.takes(sender("::ffff:10.0.0.1")));
  EXPECT_FALSE(filter_of("0.0.0.0/0").takes(sender("::1")));
  // What has an address of another kind, or none, is not of any network.
  EXPECT_FALSE(filter_of("0.0.0.0/0, ::/0").takes(sockaddr_in6{}));
}

TEST(TransportSourceFilter, MappedAddressesAreIPv4) {
  for (const char* list : {"10.0.0.0/8", "::ffff:10.0.0.0/104", "::ffff:a00:0/104"}) {
    const SourceFilter filter = filter_of(list);
    EXPECT_TRUE(filter.takes(sender("10.1.2.3"))) << list;
    EXPECT_TRUE(filter.takes(sender("::ffff:10.1.2.3"))) << list;
    EXPECT_FALSE(filter.takes(sender("11.1.2.3"))) << list;
    EXPECT_FALSE(filter.takes(sender("::ffff:11.1.2.3"))) << list;
    EXPECT_FALSE(filter.takes(sender("::10.1.2.3"))) << list;
  }
  EXPECT_TRUE(filter_of("::ffff:0.0.0.0/96").takes(sender("203.0.113.7")));
  EXPECT_TRUE(filter_of("::ffff:192.0.2.1").takes(sender("192.0.2.1")));
}

TEST(TransportSourceFilter, EveryLengthOfPrefix) {
  for (unsigned bits = 0; bits <= 32; ++bits) {
    in_addr address{htonl(bits == 0 ? 0U : ~0U << (32 - bits))};
    char text[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &address, text, sizeof(text));
    const SourceFilter filter = filter_of(std::string(text) + "/" + std::to_string(bits));
    EXPECT_TRUE(filter.takes(sender("255.255.255.255"))) << bits;
    EXPECT_EQ(bits == 0, filter.takes(sender("0.0.0.0"))) << bits;
    // The address right below the network.
    if (bits == 0) continue;
    address.s_addr = htonl(ntohl(address.s_addr) - 1);
    inet_ntop(AF_INET, &address, text, sizeof(text));
    EXPECT_FALSE(filter.takes(sender(text))) << text << " " << bits;
  }
}

TEST(TransportSourceFilter, MalformedListsNameTheElement) {
  const std::string neither = " is neither an IPv4 nor an IPv6 address, nor a network in CIDR form";
  const std::string zone = " has a zone, and a network cannot have one";
  const std::string no32 = " has no prefix length from 0 to 32 behind the slash";
  const std::string no128 = " has no prefix length from 0 to 128 behind the slash";
  const std::string bits = " has bits set to the right of its prefix; the network is ";
  const std::pair<std::string, std::string> cases[] = {
      {"10.0.0.0/8,,::1", "element 2 is empty"},
      {",10.0.0.0/8", "element 1 is empty"},
      {"10.0.0.0/8, ", "element 2 is empty"},
      {",", "element 1 is empty"},
      {"::1, 10.0.0.1/8", "element \"10.0.0.1/8\"" + bits + "10.0.0.0/8"},
      {"192.168.1.255/25", "element \"192.168.1.255/25\"" + bits + "192.168.1.128/25"},
      {"10.0.0.1/0", "element \"10.0.0.1/0\"" + bits + "0.0.0.0/0"},
      {"fd00::1/8", "element \"fd00::1/8\"" + bits + "fd00::/8"},
      {"::ffff:10.0.0.1/104", "element \"::ffff:10.0.0.1/104\"" + bits + "::ffff:10.0.0.0/104"},
      {"::ffff:0:0/80", "element \"::ffff:0:0/80\"" + bits + "::/80"},
      {"10.0.0.0/33", "element \"10.0.0.0/33\"" + no32},
      {"10.0.0.0/", "element \"10.0.0.0/\"" + no32},
      {"10.0.0.0/-1", "element \"10.0.0.0/-1\"" + no32},
      {"10.0.0.0/+8", "element \"10.0.0.0/+8\"" + no32},
      {"10.0.0.0/8x", "element \"10.0.0.0/8x\"" + no32},
      {"10.0.0.0/8/8", "element \"10.0.0.0/8/8\"" + no32},
      {"10.0.0.0/ 8", "element \"10.0.0.0/ 8\"" + no32},
      {"10.0.0.0/255.0.0.0", "element \"10.0.0.0/255.0.0.0\"" + no32},
      {"10.0.0.0/99999999999", "element \"10.0.0.0/99999999999\"" + no32},
      {"fd00::/129", "element \"fd00::/129\"" + no128},
      {"fd00::/x", "element \"fd00::/x\"" + no128},
      {"fe80::1%eth0", "element \"fe80::1%eth0\"" + zone},
      {"fe80::%1/10", "element \"fe80::%1/10\"" + zone},
      {"localhost", "element \"localhost\"" + neither},
      {"*", "element \"*\"" + neither},
      {"/8", "element \"/8\"" + neither},
      {"10/8", "element \"10/8\"" + neither},
      {"10.0.0", "element \"10.0.0\"" + neither},
      {"10.0.0.256", "element \"10.0.0.256\"" + neither},
      {"010.0.0.1", "element \"010.0.0.1\"" + neither},
      {"0x0a.0.0.1", "element \"0x0a.0.0.1\"" + neither},
      {"10.0.0.1 10.0.0.2", "element \"10.0.0.1 10.0.0.2\"" + neither},
      {"10.0.0.1;10.0.0.2", "element \"10.0.0.1;10.0.0.2\"" + neither},
      {"[::1]", "element \"[::1]\"" + neither},
      {":::1", "element \":::1\"" + neither},
      {"1::2::3", "element \"1::2::3\"" + neither},
      {"\"::1\"", "element \"\"::1\"\"" + neither},
  };
  for (const auto& [list, expected] : cases)
    EXPECT_EQ(expected, reason(list)) << list;

  const std::string zero("10.0.0.1\0.2", 11);
  EXPECT_EQ("element \"" + zero + "\"" + neither, reason(zero));
  const std::string endless(100'000, '1');
  EXPECT_EQ("element \"" + endless + "\"" + neither, reason(endless));
}

TEST(TransportSourceFilter, ManyNetworks) {
  // Every second /24 of a /8, given backwards.
  std::string list;
  for (int i = 0xFFFE; i >= 0; i -= 2) {
    list += list.empty() ? "" : ",";
    list += "10." + std::to_string(i >> 8) + "." + std::to_string(i & 0xFF) + ".0/24";
  }
  const SourceFilter filter = filter_of(list);
  for (int i = 0; i <= 0xFFFF; ++i) {
    const std::string start = "10." + std::to_string(i >> 8) + "." + std::to_string(i & 0xFF);
    ASSERT_EQ(i % 2 == 0, filter.takes(sender(start + ".0"))) << start;
    ASSERT_EQ(i % 2 == 0, filter.takes(sender(start + ".255"))) << start;
  }
}

}  // namespace
}  // namespace influx::transport
