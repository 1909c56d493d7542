#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "influx/transport/udp_socket.h"

namespace influx::transport {

// How a process gives its UDP sockets to another one of the same user, with all that waits in them.
// They meet at a socket in the file system, in a directory that others should not be able to reach.
// Nor are they trusted to: each side asks the kernel who the other one is, and talks to the process
// only that it expects.

/// A descriptor that is closed with the object. Movable, not copyable.
class Descriptor {
 public:
  explicit Descriptor(int number = -1) noexcept : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();

  int number() const noexcept { return number_; }
  bool is_open() const noexcept { return number_ >= 0; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

/// The side that gives. Nothing of it blocks. The meeting is over with the object.
class Giver {
 public:
  /// The most sockets that can be given.
  static constexpr std::size_t kMostSockets = 64;

  /// Waits at `path` from now on, where nothing is yet. Nothing, and `failure` filled, where the
  /// system refuses, or the path is too long.
  static std::optional<Giver> meet(const char* path, Failure& failure);
  Giver(Giver&& other) noexcept = default;
  Giver& operator=(Giver&& other) noexcept;
  ~Giver();

  /// Whether process `taker` has come. Sends away whoever else has, a few at a time.
  bool has_come(pid_t taker) noexcept;

  /// Whether the process that has come is gone, or has said something, which it should not.
  bool is_gone() const noexcept;

  /// Gives the sockets: they go on being this side's too, and it must take nothing from them any
  /// more, unless the other side does not. False, and `failure` filled, where there are too many,
  /// or they cannot be sent. REQUIRES: has_come().
  bool give(std::span<const UdpSocket> sockets, Failure& failure);

 private:
  Giver(Descriptor&& door, std::string&& path) noexcept
      : path_(std::move(path)), door_(std::move(door)) {}
  void leave() noexcept;

  std::string path_;
  Descriptor door_;  ///< open as long as there is something at the path
  Descriptor taker_;
};

/// The side that takes.
class Taker {
 public:
  enum class Answer : std::uint8_t {
    kNone,     ///< nothing was given yet
    kGiven,    ///< all sockets
    kRefused,  ///< the other side is gone, or has sent something else
  };

  /// Comes to `path`, where process `giver` waits. Nothing, and `failure`
  /// filled, where nobody or somebody else does; with EAGAIN, where too many have come, and it may
  /// be tried again.
  static std::optional<Taker> come(const char* path, pid_t giver, Failure& failure);

  /// Can be read from when there is an answer.
  int descriptor() const noexcept { return link_.number(); }

  /// Takes the sockets, if they were given, into `sockets`. Does not block. May throw
  /// std::bad_alloc.
  Answer take(std::vector<UdpSocket>& sockets);

 private:
  explicit Taker(Descriptor link) noexcept : link_(std::move(link)) {}

  Descriptor link_;
};

}  // namespace influx::transport
