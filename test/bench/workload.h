#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace influx::bench {

/// What lines are made of. The same options give the same lines, on every machine.
struct WorkloadOptions {
  std::string name = "tsbs";          ///< tsbs, agent, narrow or many
  std::uint64_t seed = 1;             ///< of all random values
  std::size_t hosts = 0;              ///< how many senders there seem to be; 0 for the usual number
  std::size_t measurements = 500;     ///< of workload many
  std::size_t datagram_bytes = 1400;  ///< the most bytes of a datagram; one line always fits
};

/// Whole lines, ready to be sent as one datagram: a part of the text of a pool.
struct Datagram {
  std::size_t offset = 0;
  std::size_t size = 0;
  std::size_t first_line = 0;
  std::size_t lines = 0;
};

/// Lines generated in advance, packed into datagrams. Each line ends with a timestamp of 19 digits
/// and a line feed, so that another time can be written over it.
class Pool {
 public:
  static constexpr std::size_t kStampDigits = 19;

  /// Generates `lines` lines. Throws std::invalid_argument for a workload that there is not.
  Pool(const WorkloadOptions& options, std::size_t lines);

  const std::vector<Datagram>& datagrams() const noexcept { return datagrams_; }
  std::string_view text(const Datagram& datagram) const noexcept {
    return std::string_view(text_).substr(datagram.offset, datagram.size);
  }
  /// The datagram without what follows its first `lines` lines.
  Datagram cut(const Datagram& datagram, std::size_t lines) const noexcept;
  /// Writes the time, nanoseconds since the epoch, over the timestamp of a line.
  void stamp(std::size_t line, std::int64_t nanoseconds) noexcept;

 private:
  std::string text_;
  std::vector<std::size_t> stamps_;  ///< where the timestamp of each line is
  std::vector<Datagram> datagrams_;
};

}  // namespace influx::bench
