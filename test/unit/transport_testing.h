#pragma once

// What the tests of transport share.

#include <netinet/in.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "influx/transport/udp_socket.h"

namespace influx::transport {

/// Asks until the answer is yes; no only after a time that no working system needs.
template <typename Question>
bool eventually(const Question& question) {
  using std::chrono::steady_clock;
  const auto deadline = steady_clock::now() + std::chrono::seconds(30);
  while (!question()) {
    if (steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

/// A port of an address of the loopback that nobody uses. The system, asked by a socket that shares
/// its port, may answer with one that is in use by another such socket; asked by this one it does
/// not.
inline std::uint16_t free_port(const char* host = "127.0.0.1") {
  Failure failure;
  Endpoint endpoint = listen_endpoints(host, 0, failure).at(0);
  auto* address = reinterpret_cast<sockaddr*>(&endpoint.address);
  const int descriptor = socket(AF_INET, SOCK_DGRAM, 0);
  if (descriptor < 0 || ::bind(descriptor, address, endpoint.length) != 0 ||
      getsockname(descriptor, address, &endpoint.length) != 0) {
    throw std::runtime_error("no free port");
  }
  close(descriptor);
  return endpoint.port();
}

/// A socket on a port of an address of the loopback that no other socket has.
inline UdpSocket bound_alone(const char* host = "127.0.0.1") {
  Failure failure;
  for (int attempt = 0; attempt < 100; ++attempt) {
    const auto endpoints = listen_endpoints(host, free_port(host), failure);
    std::optional<UdpSocket> socket = UdpSocket::bind(endpoints.at(0), failure);
    if (socket) return std::move(*socket);
  }
  throw std::runtime_error(failure.reason);
}

inline std::vector<UdpSocket> bound_sockets(std::size_t count) {
  std::vector<UdpSocket> sockets;
  while (sockets.size() < count)
    sockets.push_back(bound_alone());
  return sockets;
}

}  // namespace influx::transport
