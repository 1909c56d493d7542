// Binding, sharing and sending, on the loopback.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "influx/transport/udp_socket.h"
#include "transport_testing.h"

namespace influx::transport {
namespace {

Endpoint loopback(std::uint16_t port = 0) {
  Failure failure;
  return listen_endpoints("127.0.0.1", port, failure).at(0);
}

Endpoint loopback_v6(std::uint16_t port = 0) {
  Failure failure;
  return listen_endpoints("::1", port, failure).at(0);
}

UdpSocket bound(const Endpoint& endpoint) {
  Failure failure;
  std::optional<UdpSocket> socket = UdpSocket::bind(endpoint, failure);
  if (!socket) throw std::runtime_error(failure.reason);
  return std::move(*socket);
}

/// Found out without the code under test.
bool machine_has_v6() {
  const int descriptor = socket(AF_INET6, SOCK_DGRAM, 0);
  if (descriptor < 0) return false;
  const Endpoint endpoint = loopback_v6();
  const bool has =
      bind(descriptor, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.length) == 0;
  close(descriptor);
  return has;
}

/// The datagram that waits at `socket`; nothing where none does.
std::optional<std::string> receive(const UdpSocket& socket) {
  std::string buffer(70'000, '\0');
  const ssize_t size = recv(socket.descriptor(), buffer.data(), buffer.size(), 0);
  if (size < 0) return std::nullopt;
  buffer.resize(static_cast<std::size_t>(size));
  return buffer;
}

std::string receive_eventually(const UdpSocket& socket) {
  std::optional<std::string> datagram;
  if (!eventually([&] { return (datagram = receive(socket)).has_value(); })) return "(nothing)";
  return *datagram;
}

/// An address on which nothing listens, and which nothing gets while the guard lives: the port is
/// taken by a socket that is connected elsewhere, so that it refuses what comes from others.
class DeafPort {
 public:
  DeafPort() : socket_(bound_alone()), other_(bound_alone()) {
    const Endpoint& peer = other_.endpoint();
    if (connect(socket_.descriptor(), reinterpret_cast<const sockaddr*>(&peer.address),
                peer.length) != 0) {
      throw std::runtime_error("connect");
    }
  }
  const Endpoint& endpoint() const { return socket_.endpoint(); }

 private:
  UdpSocket socket_;
  UdpSocket other_;
};

int option(const UdpSocket& socket, int level, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(0, getsockopt(socket.descriptor(), level, name, &value, &length));
  return value;
}

TEST(TransportUdpSocket, BindTakesAnEphemeralPort) {
  const UdpSocket socket = bound(loopback());
  EXPECT_NE(0, socket.endpoint().port());
  EXPECT_EQ("127.0.0.1:" + std::to_string(socket.endpoint().port()), socket.endpoint().text());
}

TEST(TransportUdpSocket, Options) {
  const UdpSocket socket = bound_alone();
  EXPECT_NE(0, fcntl(socket.descriptor(), F_GETFL) & O_NONBLOCK);
  EXPECT_NE(0, fcntl(socket.descriptor(), F_GETFD) & FD_CLOEXEC);
  EXPECT_NE(0, option(socket, SOL_SOCKET, SO_REUSEPORT));
  EXPECT_TRUE(socket.tells_drops());
}

TEST(TransportUdpSocket, PortIsShared) {
  const UdpSocket first = bound_alone();
  const UdpSocket second = bound(first.endpoint());
  EXPECT_EQ(first.endpoint(), second.endpoint());
  EXPECT_NE(first.descriptor(), second.descriptor());
}

TEST(TransportUdpSocket, PortOfAnotherProgramIsTaken) {
  const int other = socket(AF_INET, SOCK_DGRAM, 0);
  ASSERT_GE(other, 0);
  Endpoint endpoint = loopback();
  auto* address = reinterpret_cast<sockaddr*>(&endpoint.address);
  ASSERT_EQ(0, bind(other, address, endpoint.length));
  ASSERT_EQ(0, getsockname(other, address, &endpoint.length));

  Failure failure;
  EXPECT_FALSE(UdpSocket::bind(endpoint, failure));
  EXPECT_EQ(EADDRINUSE, failure.error_number);
  EXPECT_EQ("address already in use", failure.reason);

  close(other);
  EXPECT_TRUE(UdpSocket::bind(endpoint, failure));
}

TEST(TransportUdpSocket, AddressOfAnotherMachineIsRefused) {
  Failure failure;
  const auto endpoints = listen_endpoints("192.0.2.1", 0, failure);
  ASSERT_EQ(1U, endpoints.size());
  EXPECT_FALSE(UdpSocket::bind(endpoints[0], failure));
  EXPECT_EQ(EADDRNOTAVAIL, failure.error_number);
}

/// A port that this process has no right to; nothing where all may be bound by this process.
std::optional<std::uint16_t> privileged_port() {
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  const Endpoint endpoint = loopback(1023);
  const bool refused = bind(descriptor, reinterpret_cast<const sockaddr*>(&endpoint.address),
                            endpoint.length) != 0 &&
                       errno == EACCES;
  close(descriptor);
  if (!refused) return std::nullopt;
  return 1023;
}

TEST(TransportUdpSocket, MayBindWhatCanBeBound) {
  Failure failure;
  EXPECT_TRUE(may_bind(loopback(), failure));
  EXPECT_TRUE(may_bind(loopback(8089), failure));
  EXPECT_TRUE(!machine_has_v6() || may_bind(loopback_v6(8089), failure));
  // Also where the port is taken, with or without sharing.
  const UdpSocket taken = bound(loopback());
  EXPECT_TRUE(may_bind(taken.endpoint(), failure));
  EXPECT_TRUE(failure.reason.empty()) << failure.reason;
}

TEST(TransportUdpSocket, MayNotBindWhatNeverCanBe) {
  Failure failure;
  // TEST-NET-1 of RFC 5737.
  const Endpoint elsewhere = listen_endpoints("192.0.2.1", 8089, failure).at(0);
  EXPECT_FALSE(may_bind(elsewhere, failure));
  EXPECT_EQ(EADDRNOTAVAIL, failure.error_number);
  EXPECT_FALSE(may_bind(Endpoint{}, failure));
  EXPECT_NE(0, failure.error_number);
}

TEST(TransportUdpSocket, MayNotBindAPrivilegedPortWithoutPrivilege) {
  const std::optional<std::uint16_t> port = privileged_port();
  if (!port) GTEST_SKIP() << "this process may bind every port";
  Failure failure;
  EXPECT_FALSE(may_bind(loopback(*port), failure));
  EXPECT_EQ(EACCES, failure.error_number);
}

TEST(TransportUdpSocket, EmptyEndpointIsRefused) {
  Failure failure;
  EXPECT_FALSE(UdpSocket::bind(Endpoint{}, failure));
  EXPECT_NE(0, failure.error_number);
  EXPECT_FALSE(failure.reason.empty());
}

TEST(TransportUdpSocket, V6) {
  Failure failure;
  const std::optional<UdpSocket> socket = UdpSocket::bind(loopback_v6(), failure);
  if (!machine_has_v6()) {
    EXPECT_FALSE(socket);
    EXPECT_NE(0, failure.error_number);
    EXPECT_FALSE(failure.reason.empty());
    return;
  }
  ASSERT_TRUE(socket) << failure.reason;
  EXPECT_NE(0, option(*socket, IPPROTO_IPV6, IPV6_V6ONLY));
  EXPECT_EQ("[::1]:" + std::to_string(socket->endpoint().port()), socket->endpoint().text());
  ASSERT_TRUE(send_datagram({socket->endpoint()}, "six", failure)) << failure.reason;
  EXPECT_EQ("six", receive_eventually(*socket));
}

TEST(TransportUdpSocket, BothFamiliesOfOnePortSideBySide) {
  Failure failure;
  const UdpSocket four = bound(listen_endpoints("*", 0, failure).at(0));
  const std::optional<UdpSocket> six =
      UdpSocket::bind(listen_endpoints("*", four.endpoint().port(), failure).at(1), failure);
  // A program on this machine may happen to hold the port in the other family.
  EXPECT_TRUE(six || failure.error_number == EADDRINUSE || !machine_has_v6()) << failure.reason;
}

TEST(TransportUdpSocket, MoveLeavesOneOwner) {
  UdpSocket first = bound_alone();
  const int descriptor = first.descriptor();
  const Endpoint endpoint = first.endpoint();

  UdpSocket second(std::move(first));
  EXPECT_EQ(descriptor, second.descriptor());
  EXPECT_EQ(endpoint, second.endpoint());

  UdpSocket third = bound_alone();
  const int closed = third.descriptor();
  third = std::move(second);
  EXPECT_EQ(descriptor, third.descriptor());
  EXPECT_EQ(endpoint, third.endpoint());
  EXPECT_EQ(-1, fcntl(closed, F_GETFD));
  EXPECT_NE(-1, fcntl(descriptor, F_GETFD));

  UdpSocket& same = third;
  third = std::move(same);
  EXPECT_EQ(descriptor, third.descriptor());
  EXPECT_NE(-1, fcntl(descriptor, F_GETFD));
}

TEST(TransportUdpSocket, ReadBufferIsGrantedInTheUnitOfTheRequest) {
  UdpSocket socket = bound_alone();
  EXPECT_EQ(65'536U, socket.set_read_buffer(65'536));
  EXPECT_EQ(2 * 65'536, option(socket, SOL_SOCKET, SO_RCVBUF));
}

TEST(TransportUdpSocket, ReadBufferHasItsLimits) {
  UdpSocket socket = bound_alone();
  const std::size_t least = socket.set_read_buffer(0);
  EXPECT_GT(least, 0U);
  EXPECT_LT(least, 65'536U);
  const std::size_t most = socket.set_read_buffer(static_cast<std::size_t>(-1));
  EXPECT_GT(most, least);
  EXPECT_EQ(static_cast<std::size_t>(option(socket, SOL_SOCKET, SO_RCVBUF)) / 2, most);
}

TEST(TransportUdpSocket, SendsOneDatagram) {
  const UdpSocket socket = bound_alone();
  Failure failure;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{65'507}}) {
    const std::string payload(size, 'x');
    ASSERT_TRUE(send_datagram({socket.endpoint()}, payload, failure)) << failure.reason;
    EXPECT_EQ(payload, receive_eventually(socket));
    EXPECT_FALSE(receive(socket));
  }
  ASSERT_TRUE(send_datagram({socket.endpoint()}, {}, failure)) << failure.reason;
  EXPECT_EQ("", receive_eventually(socket));
}

TEST(TransportUdpSocket, SendRefusesWhatIsTooLarge) {
  const UdpSocket socket = bound_alone();
  Failure failure;
  EXPECT_FALSE(send_datagram({socket.endpoint()}, std::string(65'508, 'x'), failure));
  EXPECT_EQ(EMSGSIZE, failure.error_number);
  EXPECT_FALSE(receive(socket));
}

TEST(TransportUdpSocket, SendToNobodyIsRefused) {
  const DeafPort deaf;
  Failure failure;
  ASSERT_TRUE(eventually([&] { return !send_datagram({deaf.endpoint()}, "x", failure); }));
  EXPECT_EQ(ECONNREFUSED, failure.error_number);
  EXPECT_EQ("connection refused", failure.reason);
}

TEST(TransportUdpSocket, SendTriesTheNextEndpoint) {
  const DeafPort deaf;
  const UdpSocket socket = bound_alone();
  Failure failure;
  // The system may be slow to tell of a refusal, and then the datagram is lost as any other may be.
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(send_datagram({deaf.endpoint(), socket.endpoint()}, "next", failure));
    return receive(socket) == "next";
  }));
}

TEST(TransportUdpSocket, SendStopsAtTheFirstThatTakesIt) {
  const UdpSocket first = bound_alone();
  const UdpSocket second = bound_alone();
  Failure failure;
  ASSERT_TRUE(send_datagram({first.endpoint(), second.endpoint()}, "first", failure));
  EXPECT_EQ("first", receive_eventually(first));
  EXPECT_FALSE(receive(second));
}

TEST(TransportUdpSocket, SendGoesOnBehindAnEndpointThatCannotBe) {
  const UdpSocket socket = bound_alone();
  Failure failure;
  ASSERT_TRUE(send_datagram({Endpoint{}, socket.endpoint()}, "x", failure)) << failure.reason;
  EXPECT_EQ("x", receive_eventually(socket));
}

TEST(TransportUdpSocket, SendToNoEndpointFails) {
  Failure failure;
  EXPECT_FALSE(send_datagram({}, "x", failure));
  EXPECT_NE(0, failure.error_number);
  EXPECT_FALSE(failure.reason.empty());
}

}  // namespace
}  // namespace influx::transport
