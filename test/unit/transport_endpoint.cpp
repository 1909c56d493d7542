// Names, numbers and texts of addresses.

#include <gtest/gtest.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "influx/transport/endpoint.h"
#include "influx/transport/endpoint_key.h"

namespace influx::transport {
namespace {

Endpoint v4(std::uint32_t host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(host);
  Endpoint endpoint;
  std::memcpy(&endpoint.address, &address, sizeof(address));
  endpoint.length = sizeof(address);
  return endpoint;
}

Endpoint v6(const in6_addr& host, std::uint16_t port, std::uint32_t scope = 0) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = host;
  address.sin6_scope_id = scope;
  Endpoint endpoint;
  std::memcpy(&endpoint.address, &address, sizeof(address));
  endpoint.length = sizeof(address);
  return endpoint;
}

in6_addr link_local() {
  in6_addr host{};
  host.s6_addr[0] = 0xfe;
  host.s6_addr[1] = 0x80;
  host.s6_addr[15] = 1;
  return host;
}

// A sentence part: something is said, it starts in lower case, and it does not end in a full stop.
void expect_reason(const Failure& failure) {
  ASSERT_FALSE(failure.reason.empty());
  EXPECT_FALSE(failure.reason.front() >= 'A' && failure.reason.front() <= 'Z' &&
               !(failure.reason[1] >= 'A' && failure.reason[1] <= 'Z'))
      << failure.reason;
  EXPECT_NE('.', failure.reason.back()) << failure.reason;
}

void expect_no_port(std::string_view service) {
  Failure failure;
  EXPECT_FALSE(udp_port(service, failure)) << service;
  EXPECT_EQ(0, failure.error_number);
  expect_reason(failure);
}

TEST(TransportEndpoint, PortNumbers) {
  Failure failure;
  EXPECT_EQ(1, udp_port("1", failure));
  EXPECT_EQ(8089, udp_port("8089", failure));
  EXPECT_EQ(8089, udp_port("0008089", failure));
  EXPECT_EQ(65535, udp_port("65535", failure));
  EXPECT_TRUE(failure.reason.empty());
}

TEST(TransportEndpoint, NumbersThatAreNoPort) {
  expect_no_port("0");
  expect_no_port("000");
  expect_no_port("65536");
  expect_no_port("99999999999999999999999999");
  Failure failure;
  EXPECT_FALSE(udp_port("70000", failure));
  EXPECT_NE(std::string::npos, failure.reason.find("65535"));
}

TEST(TransportEndpoint, TextsThatAreNoPort) {
  expect_no_port("");
  expect_no_port(" 8089");
  expect_no_port("8089 ");
  expect_no_port("+8089");
  expect_no_port("-1");
  expect_no_port("80.89");
  expect_no_port("no-such-service-anywhere");
  expect_no_port(std::string(100'000, 'x'));
}

TEST(TransportEndpoint, ServiceNames) {
  // Some service of the machine, and the answer to expect, both from its database.
  std::string name;
  std::uint16_t port = 0;
  setservent(0);
  while (const servent* entry = getservent()) {
    if (std::string_view(entry->s_proto) != "udp" || entry->s_port == 0) continue;
    name = entry->s_name;
    break;
  }
  endservent();
  if (name.empty()) {
    expect_no_port("syslog");  // there is no database: no name means anything
    return;
  }
  const servent* entry = getservbyname(name.c_str(), "udp");
  ASSERT_NE(nullptr, entry);
  port = ntohs(static_cast<std::uint16_t>(entry->s_port));

  Failure failure;
  EXPECT_EQ(port, udp_port(name, failure)) << name;
  // The view need not end in a zero byte, and one inside is part of the name.
  EXPECT_EQ(port, udp_port(std::string_view(name + "tail").substr(0, name.size()), failure));
  expect_no_port(name + '\0' + "tail");
}

TEST(TransportEndpoint, ListenOnEveryAddress) {
  Failure failure;
  const auto endpoints = listen_endpoints("*", 8089, failure);
  ASSERT_EQ(2U, endpoints.size());
  EXPECT_EQ("0.0.0.0:8089", endpoints[0].text());
  EXPECT_EQ("[::]:8089", endpoints[1].text());
}

TEST(TransportEndpoint, LocalhostIsTheLoopbackOfBothFamilies) {
  for (const std::string_view name : {"localhost", "LocalHost"}) {
    Failure failure;
    const auto listen = listen_endpoints(name, 8089, failure);
    ASSERT_EQ(2U, listen.size());
    EXPECT_EQ("127.0.0.1:8089", listen[0].text());
    EXPECT_EQ("[::1]:8089", listen[1].text());
    EXPECT_EQ(listen, send_endpoints(name, 8089, failure));
  }
}

TEST(TransportEndpoint, Literals) {
  const struct {
    std::string_view host;
    std::string_view text;
  } cases[] = {
      {"127.0.0.1", "127.0.0.1:8089"},
      {"192.0.2.255", "192.0.2.255:8089"},
      {"::1", "[::1]:8089"},
      {"[::1]", "[::1]:8089"},
      {"2001:DB8:0:0:0:0:0:1", "[2001:db8::1]:8089"},
      {"::ffff:192.0.2.1", "[::ffff:192.0.2.1]:8089"},
  };
  for (const auto& each : cases) {
    for (const auto resolve : {&listen_endpoints, &send_endpoints}) {
      Failure failure;
      const auto endpoints = resolve(each.host, 8089, failure);
      ASSERT_EQ(1U, endpoints.size()) << each.host << ": " << failure.reason;
      EXPECT_EQ(each.text, endpoints[0].text());
      EXPECT_EQ(8089, endpoints[0].port());
    }
  }
}

TEST(TransportEndpoint, HostsThatMeanNothing) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view host :
       {""sv, "[]"sv, "[localhost]"sv, "[127.0.0.1]"sv, "256.0.0.1"sv, "::1::"sv,
        "127.0.0.1 8089"sv, "127.0.0.1\0tail"sv, "[::1"sv, "bad..name"sv}) {
    for (const auto resolve : {&listen_endpoints, &send_endpoints}) {
      Failure failure;
      EXPECT_TRUE(resolve(host, 8089, failure).empty()) << host;
      expect_reason(failure);
    }
  }
  Failure failure;
  EXPECT_TRUE(send_endpoints("*", 8089, failure).empty());
  expect_reason(failure);
}

TEST(TransportEndpoint, Texts) {
  EXPECT_EQ("127.0.0.1:0", v4(INADDR_LOOPBACK, 0).text());
  EXPECT_EQ("255.255.255.255:65535", v4(INADDR_BROADCAST, 65535).text());
  EXPECT_EQ("[::1]:8089", v6(in6addr_loopback, 8089).text());
  EXPECT_EQ("unknown address", Endpoint{}.text());
}

TEST(TransportEndpoint, TextNamesTheInterfaceOfALinkLocalAddress) {
  std::array<char, IF_NAMESIZE> name{};
  ASSERT_NE(nullptr, if_indextoname(1, name.data()));
  EXPECT_EQ(std::string("[fe80::1%") + name.data() + "]:8089", v6(link_local(), 8089, 1).text());
  // An interface that is gone keeps its number.
  EXPECT_EQ("[fe80::1%2000000000]:8089", v6(link_local(), 8089, 2'000'000'000).text());
}

TEST(TransportEndpoint, Equality) {
  EXPECT_EQ(v4(INADDR_LOOPBACK, 1), v4(INADDR_LOOPBACK, 1));
  EXPECT_FALSE(v4(INADDR_LOOPBACK, 1) == v4(INADDR_LOOPBACK, 2));
  EXPECT_FALSE(v4(INADDR_LOOPBACK, 1) == v4(INADDR_ANY, 1));
  EXPECT_EQ(v6(in6addr_loopback, 1), v6(in6addr_loopback, 1));
  EXPECT_FALSE(v6(in6addr_loopback, 1) == v6(in6addr_loopback, 2));
  EXPECT_FALSE(v6(in6addr_loopback, 1) == v6(in6addr_any, 1));
  EXPECT_FALSE(v6(in6addr_any, 1) == v4(INADDR_ANY, 1));
  EXPECT_FALSE(v6(link_local(), 1, 1) == v6(link_local(), 1, 2));
  EXPECT_EQ(Endpoint{}, Endpoint{});
  EXPECT_FALSE(Endpoint{} == v4(INADDR_ANY, 0));

  // What is no part of the address does not count.
  Endpoint padded = v4(INADDR_LOOPBACK, 1);
  reinterpret_cast<unsigned char*>(&padded.address)[sizeof(sockaddr_in)] = 1;
  EXPECT_EQ(v4(INADDR_LOOPBACK, 1), padded);
}

TEST(TransportEndpoint, Ports) {
  EXPECT_EQ(8089, v4(INADDR_ANY, 8089).port());
  EXPECT_EQ(65535, v6(in6addr_any, 65535).port());
  EXPECT_EQ(0, Endpoint{}.port());
}

TEST(TransportEndpoint, WithAnotherPort) {
  EXPECT_EQ(v4(INADDR_LOOPBACK, 2), v4(INADDR_LOOPBACK, 1).with_port(2));
  EXPECT_EQ(v6(link_local(), 65535, 7), v6(link_local(), 1, 7).with_port(65535));
  EXPECT_EQ(Endpoint{}, Endpoint{}.with_port(1));
}

// In both directions.
bool overlap(const Endpoint& left, const Endpoint& right) {
  const EndpointKey one(left);
  const EndpointKey other(right);
  EXPECT_EQ(one.overlaps(other), other.overlaps(one)) << left.text() << " " << right.text();
  return one.overlaps(other);
}

TEST(TransportEndpoint, Overlaps) {
  EXPECT_TRUE(overlap(v4(INADDR_LOOPBACK, 1), v4(INADDR_LOOPBACK, 1)));
  EXPECT_TRUE(overlap(v4(INADDR_LOOPBACK, 1), v4(INADDR_ANY, 1)));
  EXPECT_TRUE(overlap(v4(INADDR_ANY, 1), v4(INADDR_ANY, 1)));
  EXPECT_TRUE(overlap(v6(in6addr_loopback, 1), v6(in6addr_loopback, 1)));
  EXPECT_TRUE(overlap(v6(in6addr_loopback, 1), v6(in6addr_any, 1)));
  EXPECT_TRUE(overlap(v6(link_local(), 1, 1), v6(in6addr_any, 1)));

  EXPECT_FALSE(overlap(v4(INADDR_LOOPBACK, 1), v4(INADDR_LOOPBACK, 2)));
  EXPECT_FALSE(overlap(v4(INADDR_LOOPBACK, 1), v4(INADDR_ANY, 2)));
  EXPECT_FALSE(overlap(v4(INADDR_LOOPBACK, 1), v4(INADDR_LOOPBACK + 1, 1)));
  EXPECT_FALSE(overlap(v6(in6addr_loopback, 1), v6(link_local(), 1)));
  EXPECT_FALSE(overlap(v6(in6addr_loopback, 1), v6(in6addr_any, 2)));
  EXPECT_FALSE(overlap(v4(INADDR_ANY, 1), v6(in6addr_any, 1)));
  EXPECT_FALSE(overlap(Endpoint{}, Endpoint{}));
}

// Spellings of one address to the kernel.
TEST(TransportEndpoint, OverlapsByWhatTheKernelTells) {
  const auto mapped = [](std::uint8_t a, std::uint8_t b, std::uint8_t c, std::uint8_t d) {
    in6_addr host{};
    host.s6_addr[10] = host.s6_addr[11] = 0xff;
    host.s6_addr[12] = a;
    host.s6_addr[13] = b;
    host.s6_addr[14] = c;
    host.s6_addr[15] = d;
    return host;
  };
  EXPECT_TRUE(overlap(v6(mapped(127, 0, 0, 1), 1), v4(INADDR_LOOPBACK, 1)));
  EXPECT_TRUE(overlap(v6(mapped(0, 0, 0, 0), 1), v4(INADDR_LOOPBACK, 1)));
  EXPECT_FALSE(overlap(v6(mapped(127, 0, 0, 1), 1), v6(in6addr_any, 1)));
  EXPECT_TRUE(overlap(v6(in6addr_loopback, 1, 1), v6(in6addr_loopback, 1)));
  EXPECT_TRUE(overlap(v6(in6addr_loopback, 1, 1), v6(in6addr_loopback, 1, 2)));
  EXPECT_TRUE(overlap(v6(link_local(), 1, 1), v6(link_local(), 1)));
  EXPECT_TRUE(overlap(v6(link_local(), 1, 1), v6(link_local(), 1, 1)));
  EXPECT_FALSE(overlap(v6(link_local(), 1, 1), v6(link_local(), 1, 2)));
}

TEST(TransportEndpoint, KeysKeepWhatIsShown) {
  for (const Endpoint& endpoint : {v4(INADDR_LOOPBACK, 8089), v4(INADDR_ANY, 65535),
                                   v6(in6addr_any, 1), v6(link_local(), 8089, 1)}) {
    EXPECT_EQ(EndpointKey(endpoint).endpoint(), endpoint);
  }
  EXPECT_EQ(EndpointKey(Endpoint{}).endpoint().text(), "unknown address");
}

}  // namespace
}  // namespace influx::transport
