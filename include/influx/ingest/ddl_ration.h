#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "influx/transport/endpoint.h"

namespace influx::ingest {

/// Divides the making of tables and columns among senders: each may have so many made in a second,
/// and all of them together a few times as many. What is asked for beyond that waits for its turn,
/// which goes round among the senders.
///
/// A sender is an IPv4 address, or an IPv6 network of 64 bits, which one host may have for itself.
/// Times are nanoseconds of the monotonic clock.
class DdlRation {
 public:
  /// What a sender is told from others by.
  using Sender = std::uint64_t;
  static Sender sender_of(const transport::Endpoint& endpoint) noexcept;

  /// Whether something may be made at once for `sender`, with `rate` a second for each sender: no
  /// sender waits for its turn, and there is something left for this one and of all. Then `objects`
  /// are taken. More than there is may be taken at once, and is missing later.
  bool take(Sender sender, std::size_t objects, double rate, std::int64_t now_ns);

  /// Lets `measurement` wait for a turn of `sender`, behind what waits for it already.
  void wait(Sender sender, std::string_view measurement);

  /// What is in turn: the longest waiting measurement of the next sender that has something left.
  /// Nothing where there is none. It waits no longer.
  std::optional<std::pair<Sender, std::string>> next(double rate, std::int64_t now_ns);

  /// Takes `objects` for a sender whatever is left.
  void charge(Sender sender, std::size_t objects, double rate, std::int64_t now_ns);

  bool empty() const noexcept { return waiting_.empty(); }
  /// When next() may have something: not before there is something left of all.
  std::int64_t next_turn_ns(double rate) const noexcept;

  /// The memory of what waits, in bytes.
  std::size_t bytes() const noexcept { return bytes_; }
  void clear() noexcept;

 private:
  struct Bucket {
    Sender sender = 0;
    double left = 0;
    std::int64_t filled_ns = 0;

    void fill(double rate, std::int64_t now_ns) noexcept;
  };
  using Waiting = std::map<Sender, std::list<std::string>>;

  Bucket& bucket_of(Sender sender, double rate, std::int64_t now_ns);

  std::list<Bucket> buckets_;  ///< of the senders seen last, the last one first
  std::unordered_map<Sender, std::list<Bucket>::iterator> by_sender_;
  std::optional<Bucket> all_;
  Waiting waiting_;  ///< by sender, none of them empty
  Sender last_ = 0;  ///< whose turn was last
  std::size_t bytes_ = 0;
};

}  // namespace influx::ingest
