// Sends a workload by UDP, or prints it. Tells what was sent as one JSON object.

#include <getopt.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <string>

#include "workload.h"

namespace {

using influx::bench::Datagram;
using influx::bench::Pool;
using influx::bench::WorkloadOptions;

constexpr const char* kUsage =
    "usage: send --port PORT (--lines N | --seconds S) [OPTION...]\n"
    "       send --print --lines N [OPTION...]\n"
    "\n"
    "  --workload NAME       tsbs, agent, narrow or many (tsbs)\n"
    "  --hosts N             hosts of the workload (4000, 50, 100, 10)\n"
    "  --measurements N      measurements of workload many (500)\n"
    "  --seed N              of the random values (1)\n"
    "  --datagram-bytes N    most bytes of a datagram, of whole lines (1400)\n"
    "  --pool N              lines generated in advance, and sent over and over (40000)\n"
    "  --host NAME           where to (127.0.0.1)\n"
    "  --port PORT\n"
    "  --lines N             ends after so many lines\n"
    "  --seconds S           ends after so much time\n"
    "  --rate N              lines a second; without it, as fast as it goes\n"
    "  --preset              sends times from 2026-01-01 on, a microsecond apart, not those of the "
    "clock\n"
    "  --print               prints the lines, with the times of --preset\n";

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kPresetStart = 1'767'225'600 * kNsPerSecond;
/// The server's times have microseconds: lines that are this far apart stay distinct.
constexpr std::int64_t kStampStep = 1000;
/// Lines that are due within this time are sent at once.
constexpr std::int64_t kBurstNs = 1'000'000;
/// What a sender that was kept from running longer than this has missed, it does not make up for.
constexpr std::int64_t kMostBehindNs = 20'000'000;
/// Datagrams of one system call.
constexpr std::size_t kMostPerCall = 64;

struct Options {
  WorkloadOptions workload;
  std::size_t pool = 40000;
  std::string host = "127.0.0.1";
  std::string port;
  std::size_t lines = std::numeric_limits<std::size_t>::max();
  double seconds = std::numeric_limits<double>::infinity();
  double rate = 0;
  bool preset = false;
  bool print = false;

  bool bounded() const {
    return lines != std::numeric_limits<std::size_t>::max() || std::isfinite(seconds);
  }
};

template <typename Number>
Number parsed(const char* text) {
  Number number{};
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  if (error != std::errc() || stop != end || !(number > 0)) {
    throw std::invalid_argument(std::string("not a positive number: ") + text);
  }
  return number;
}

Options parse_options(int count, char** arguments) {
  enum Option {
    kWorkload,
    kHosts,
    kMeasurements,
    kSeed,
    kBytes,
    kPool,
    kHost,
    kPort,
    kLines,
    kSeconds,
    kRate,
    kPreset,
    kPrint,
    kHelp
  };
  static constexpr std::array<option, 15> kOptions{{
      {"workload", required_argument, nullptr, kWorkload},
      {"hosts", required_argument, nullptr, kHosts},
      {"measurements", required_argument, nullptr, kMeasurements},
      {"seed", required_argument, nullptr, kSeed},
      {"datagram-bytes", required_argument, nullptr, kBytes},
      {"pool", required_argument, nullptr, kPool},
      {"host", required_argument, nullptr, kHost},
      {"port", required_argument, nullptr, kPort},
      {"lines", required_argument, nullptr, kLines},
      {"seconds", required_argument, nullptr, kSeconds},
      {"rate", required_argument, nullptr, kRate},
      {"preset", no_argument, nullptr, kPreset},
      {"print", no_argument, nullptr, kPrint},
      {"help", no_argument, nullptr, kHelp},
      {},
  }};
  Options options;
  for (int chosen = 0;
       (chosen = getopt_long(count, arguments, "", kOptions.data(), nullptr)) >= 0;) {
    switch (chosen) {
      case kWorkload:
        options.workload.name = optarg;
        break;
      case kHosts:
        options.workload.hosts = parsed<std::size_t>(optarg);
        break;
      case kMeasurements:
        options.workload.measurements = parsed<std::size_t>(optarg);
        break;
      case kSeed:
        options.workload.seed = parsed<std::uint64_t>(optarg);
        break;
      case kBytes:
        options.workload.datagram_bytes = parsed<std::size_t>(optarg);
        break;
      case kPool:
        options.pool = parsed<std::size_t>(optarg);
        break;
      case kHost:
        options.host = optarg;
        break;
      case kPort:
        options.port = optarg;
        break;
      case kLines:
        options.lines = parsed<std::size_t>(optarg);
        break;
      case kSeconds:
        options.seconds = parsed<double>(optarg);
        break;
      case kRate:
        options.rate = parsed<double>(optarg);
        break;
      case kPreset:
        options.preset = true;
        break;
      case kPrint:
        options.print = true;
        break;
      case kHelp:
        std::fputs(kUsage, stdout);
        std::exit(0);
      default:
        throw std::invalid_argument("try --help");
    }
  }
  if (optind < count)
    throw std::invalid_argument("what is this: " + std::string(arguments[optind]));
  if (!options.bounded()) throw std::invalid_argument("--lines or --seconds is needed");
  if (options.print == !options.port.empty())
    throw std::invalid_argument("--port or --print is needed");
  return options;
}

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now.tv_sec * kNsPerSecond + now.tv_nsec;
}

void sleep_until(std::int64_t monotonic_ns) {
  const timespec due{monotonic_ns / kNsPerSecond, monotonic_ns % kNsPerSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
}

/// The times of the lines, each later than the one before.
class Stamps {
 public:
  Stamps(Pool& pool, bool preset) : pool_(pool), preset_(preset) {}

  void write(const Datagram& datagram) {
    const std::int64_t now = preset_ ? 0 : clock_ns(CLOCK_REALTIME);
    for (std::size_t i = 0; i < datagram.lines; ++i) {
      last_ = std::max(last_ + kStampStep, now);
      pool_.stamp(datagram.first_line + i, last_);
    }
  }

 private:
  Pool& pool_;
  const bool preset_;
  std::int64_t last_ = kPresetStart - kStampStep;
};

int connected_socket(const Options& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(options.host.c_str(), options.port.c_str(), &hints, &found);
      error != 0) {
    throw std::invalid_argument(options.host + ":" + options.port + ": " + gai_strerror(error));
  }
  const int descriptor = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool connected =
      descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) == 0;
  freeaddrinfo(found);
  if (!connected) throw std::runtime_error(std::string("no socket: ") + std::strerror(errno));
  return descriptor;
}

volatile std::sig_atomic_t stopped = 0;

/// Goes through the pool, over and over.
class Sender {
 public:
  Sender(const Options& options, Pool& pool)
      : options_(options),
        pool_(pool),
        stamps_(pool, options.preset),
        socket_(connected_socket(options)) {}

  void run() {
    first_ns_ = clock_ns(CLOCK_REALTIME);
    start_ = pace_ = clock_ns(CLOCK_MONOTONIC);
    const auto end = std::isfinite(options_.seconds)
                         ? start_ + static_cast<std::int64_t>(options_.seconds * 1e9)
                         : std::numeric_limits<std::int64_t>::max();
    std::int64_t now = start_;
    while (stopped == 0 && lines_ < options_.lines && now < end) {
      const std::size_t wanted = wait_for_turn(now);
      if (now >= end) break;
      send_group(std::min(wanted, options_.lines - lines_));
      now = clock_ns(CLOCK_MONOTONIC);
    }
    seconds_ = static_cast<double>(now - start_) / 1e9;
  }

  void report() const {
    const auto& all = pool_.datagrams();
    const auto [least, most] = std::minmax_element(
        all.begin(), all.end(), [](auto& left, auto& right) { return left.lines < right.lines; });
    // The last datagram of the pool, and that of the run, may be shorter.
    std::printf(
        "{\"lines\": %zu, \"bytes\": %zu, \"datagrams\": %zu, \"seconds\": %.6f, \"rate\": %.1f, "
        "\"errors\": %zu, \"first_ns\": %lld, \"least_lines\": %zu, \"most_lines\": %zu}\n",
        lines_, bytes_, datagrams_, seconds_, static_cast<double>(lines_) / seconds_, errors_,
        static_cast<long long>(first_ns_), std::min(least->lines, last_lines_), most->lines);
  }

 private:
  /// Waits until a line is due. Returns how many are to be sent now.
  std::size_t wait_for_turn(std::int64_t& now) {
    if (options_.rate <= 0) return std::numeric_limits<std::size_t>::max();
    const double ns_per_line = 1e9 / options_.rate;
    auto due = pace_ + static_cast<std::int64_t>(static_cast<double>(lines_) * ns_per_line);
    if (now < due) {
      sleep_until(due);
      now = clock_ns(CLOCK_MONOTONIC);
    }
    if (now - due > kMostBehindNs) {
      pace_ += now - due;
      due = now;
    }
    return static_cast<std::size_t>(static_cast<double>(now - due + kBurstNs) / ns_per_line) + 1;
  }

  /// Sends datagrams with about so many lines, by one system call; no datagram is divided but at
  /// the end of all.
  void send_group(std::size_t wanted) {
    std::array<mmsghdr, kMostPerCall> messages{};
    std::array<iovec, kMostPerCall> parts{};
    std::array<Datagram, kMostPerCall> group{};
    std::size_t count = 0;
    for (std::size_t lines = 0;
         lines < wanted && count < kMostPerCall && count < pool_.datagrams().size(); ++count) {
      const Datagram& next = pool_.datagrams()[(turn_ + count) % pool_.datagrams().size()];
      group[count] = pool_.cut(next, options_.lines - lines_ - lines);
      stamps_.write(group[count]);
      const std::string_view text = pool_.text(group[count]);
      parts[count] = {const_cast<char*>(text.data()), text.size()};
      messages[count].msg_hdr.msg_iov = &parts[count];
      messages[count].msg_hdr.msg_iovlen = 1;
      lines += group[count].lines;
    }
    const int sent = sendmmsg(socket_, messages.data(), static_cast<unsigned>(count), 0);
    if (sent < 0) {
      // On the loopback the refusal of an earlier datagram comes with a later one.
      ++errors_;
      if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EINTR) {
        throw std::runtime_error(std::string("sendmmsg: ") + std::strerror(errno));
      }
      return;
    }
    for (int i = 0; i < sent; ++i) {
      lines_ += group[i].lines;
      bytes_ += group[i].size;
      last_lines_ = group[i].lines;
    }
    datagrams_ += static_cast<std::size_t>(sent);
    turn_ += static_cast<std::size_t>(sent);
  }

  const Options& options_;
  Pool& pool_;
  Stamps stamps_;
  const int socket_;

  std::int64_t first_ns_ = 0;  ///< when it began, by the clock that the timestamps are from
  std::int64_t start_ = 0;
  std::int64_t pace_ = 0;  ///< when it would have begun, had nothing kept it from sending in time
  double seconds_ = 0;
  std::size_t turn_ = 0;
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;
  std::size_t datagrams_ = 0;
  std::size_t errors_ = 0;
  std::size_t last_lines_ = 0;
};

void print(Pool& pool) {
  Stamps stamps(pool, true);
  for (const Datagram& datagram : pool.datagrams()) {
    stamps.write(datagram);
    const std::string_view text = pool.text(datagram);
    std::fwrite(text.data(), 1, text.size(), stdout);
  }
}

}  // namespace

int main(int count, char** arguments) try {
  const Options options = parse_options(count, arguments);
  std::signal(SIGTERM, [](int) { stopped = 1; });
  Pool pool(options.workload,
            options.print ? options.lines : std::min(options.pool, options.lines));
  if (options.print) {
    print(pool);
    return 0;
  }
  Sender sender(options, pool);
  sender.run();
  sender.report();
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "send: %s\n", error.what());
  return 1;
}
