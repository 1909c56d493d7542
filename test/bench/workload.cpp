#include "workload.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <random>
#include <span>
#include <stdexcept>

namespace influx::bench {

namespace {

enum class Kind : std::uint8_t { kWhole, kDecimal, kCounter, kZero, kUptime };

struct Field {
  std::string name;
  Kind kind = Kind::kWhole;
  double scale = 100;  ///< the largest value, or the largest step of a counter
};

/// The points of one measurement of one host. Values walk at random between 0 and 1.
struct Series {
  std::string key;  ///< measurement and tags
  const std::vector<Field>* fields = nullptr;
  std::vector<double> values;
};

/// Random numbers whose values the language defines; those of its distributions it does not.
class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  /// From 0 up to, and without, 1.
  double fraction() { return static_cast<double>(engine_() >> 11U) * 0x1p-53; }
  std::size_t below(std::size_t limit) { return engine_() % limit; }

 private:
  std::mt19937_64 engine_;
};

std::string number(std::size_t value, std::size_t width = 0) {
  std::string digits = std::to_string(value);
  return std::string(width > digits.size() ? width - digits.size() : 0, '0') + digits;
}

class Generator {
 public:
  explicit Generator(const WorkloadOptions& options) : random_(options.seed) {
    const auto hosts = [&](std::size_t usual) { return options.hosts > 0 ? options.hosts : usual; };
    if (options.name == "tsbs") {
      make_tsbs(hosts(4000));
    } else if (options.name == "agent") {
      make_agent(hosts(50));
    } else if (options.name == "narrow") {
      make_narrow(hosts(100));
    } else if (options.name == "many") {
      make_many(hosts(10), options.measurements);
    } else {
      throw std::invalid_argument("there is no workload \"" + options.name + "\"");
    }
  }
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;
  ~Generator() = default;

  /// Appends the next line, without a timestamp. The series take turns.
  void append(std::string& text) {
    Series& series = series_[turn_++ % series_.size()];
    text += series.key;
    for (std::size_t i = 0; i < series.fields->size(); ++i) {
      text += i == 0 ? ' ' : ',';
      append_field(text, (*series.fields)[i], series.values[i]);
    }
  }

 private:
  void add(std::string key, const std::vector<Field>& fields) {
    Series& series = series_.emplace_back(std::move(key), &fields);
    for (std::size_t i = 0; i < fields.size(); ++i)
      series.values.push_back(random_.fraction());
  }

  template <std::size_t N>
  std::string one_of(const std::array<const char*, N>& names) {
    return names[random_.below(N)];
  }

  void make_tsbs(std::size_t hosts);
  void make_agent(std::size_t hosts);
  void make_narrow(std::size_t hosts);
  void make_many(std::size_t hosts, std::size_t measurements);

  void append_field(std::string& text, const Field& field, double& value) {
    text += field.name;
    text += '=';
    if (field.kind == Kind::kZero) {
      text += '0';
      return;
    }
    if (field.kind == Kind::kCounter || field.kind == Kind::kUptime) {
      value += random_.fraction();
    } else {
      value = std::clamp(value + (random_.fraction() - 0.5) * 0.02, 0.0, 1.0);
    }
    const double scaled = value * field.scale;
    if (field.kind == Kind::kUptime) {
      text += "\"12 days,  3:" + number(10 + static_cast<std::size_t>(scaled) % 50) + '"';
      return;
    }
    std::array<char, 64> digits{};
    if (field.kind == Kind::kDecimal) {
      text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), scaled,
                                               std::chars_format::fixed, 7)
                                     .ptr);
      return;
    }
    text.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(),
                                             static_cast<std::int64_t>(scaled))
                                   .ptr);
    text += 'i';
  }

  Random random_;
  std::vector<std::vector<Field>> shapes_;  ///< reserved once: the series point into it
  std::vector<Series> series_;
  std::size_t turn_ = 0;
};

/// The hosts of the Time Series Benchmark Suite, use case "cpu-only".
void Generator::make_tsbs(std::size_t hosts) {
  static constexpr std::array kRegions{"us-east-1",      "us-west-1",      "us-west-2",
                                       "eu-west-1",      "eu-central-1",   "ap-southeast-1",
                                       "ap-southeast-2", "ap-northeast-1", "sa-east-1"};
  static constexpr std::array kZones{"a", "b", "c"};
  static constexpr std::array kSystems{"Ubuntu16.10", "Ubuntu16.04LTS", "Ubuntu15.10"};
  static constexpr std::array kArchitectures{"x86", "x64"};
  static constexpr std::array kTeams{"SF", "NYC", "LON", "CHI"};
  static constexpr std::array kEnvironments{"production", "staging", "test"};
  std::vector<Field>& fields = shapes_.emplace_back();
  for (const char* name : {"user", "system", "idle", "nice", "iowait", "irq", "softirq", "steal",
                           "guest", "guest_nice"}) {
    fields.push_back({std::string("usage_") + name});
  }
  for (std::size_t host = 0; host < hosts; ++host) {
    const std::string region = one_of(kRegions);
    std::string key = "cpu,hostname=host_" + number(host) + ",region=" + region;
    key += ",datacenter=" + region + one_of(kZones) + ",rack=" + number(random_.below(100));
    key += ",os=" + one_of(kSystems) + ",arch=" + one_of(kArchitectures);
    key += ",team=" + one_of(kTeams) + ",service=" + number(random_.below(20));
    key += ",service_version=" + number(random_.below(2));
    key += ",service_environment=" + one_of(kEnvironments);
    add(std::move(key), fields);
  }
}

/// What Telegraf reports of a host with its usual inputs, as it names it.
void Generator::make_agent(std::size_t hosts) {
  struct Input {
    const char* measurement;
    const char* tags;
    std::vector<Field> fields;
  };
  using enum Kind;
  const std::array<Input, 9> inputs{{
      {"cpu",
       ",cpu=cpu-total",
       {{"usage_guest", kZero},
        {"usage_guest_nice", kZero},
        {"usage_idle", kDecimal, 100},
        {"usage_iowait", kDecimal, 10},
        {"usage_irq", kZero},
        {"usage_nice", kDecimal, 1},
        {"usage_softirq", kDecimal, 1},
        {"usage_steal", kDecimal, 1},
        {"usage_system", kDecimal, 20},
        {"usage_user", kDecimal, 50}}},
      {"mem",
       "",
       {{"active", kWhole, 8e9},
        {"available", kWhole, 16e9},
        {"available_percent", kDecimal},
        {"buffered", kWhole, 1e9},
        {"cached", kWhole, 8e9},
        {"free", kWhole, 4e9},
        {"inactive", kWhole, 4e9},
        {"total", kWhole, 16e9},
        {"used", kWhole, 16e9},
        {"used_percent", kDecimal}}},
      {"disk",
       ",device=sda1,fstype=ext4,mode=rw,path=/",
       {{"free", kWhole, 4e11},
        {"inodes_free", kWhole, 3e7},
        {"inodes_total", kWhole, 3e7},
        {"inodes_used", kWhole, 3e7},
        {"total", kWhole, 5e11},
        {"used", kWhole, 4e11},
        {"used_percent", kDecimal}}},
      {"diskio",
       ",name=sda",
       {{"io_time", kCounter, 1e3},
        {"iops_in_progress", kWhole, 8},
        {"merged_reads", kCounter, 100},
        {"merged_writes", kCounter, 100},
        {"read_bytes", kCounter, 1e7},
        {"read_time", kCounter, 1e3},
        {"reads", kCounter, 1e3},
        {"weighted_io_time", kCounter, 1e3},
        {"write_bytes", kCounter, 1e7},
        {"write_time", kCounter, 1e3},
        {"writes", kCounter, 1e3}}},
      {"net",
       ",interface=eth0",
       {{"bytes_recv", kCounter, 1e7},
        {"bytes_sent", kCounter, 1e7},
        {"drop_in", kCounter, 2},
        {"drop_out", kCounter, 2},
        {"err_in", kCounter, 2},
        {"err_out", kCounter, 2},
        {"packets_recv", kCounter, 1e5},
        {"packets_sent", kCounter, 1e5}}},
      {"system",
       "",
       {{"load1", kDecimal, 8},
        {"load15", kDecimal, 8},
        {"load5", kDecimal, 8},
        {"n_cpus", kWhole, 64},
        {"n_users", kWhole, 10},
        {"uptime", kCounter, 20},
        {"uptime_format", kUptime, 20}}},
      {"processes",
       "",
       {{"blocked", kWhole, 2},
        {"dead", kWhole, 1},
        {"idle", kWhole, 100},
        {"paging", kWhole, 1},
        {"running", kWhole, 16},
        {"sleeping", kWhole, 300},
        {"stopped", kWhole, 1},
        {"total", kWhole, 400},
        {"total_threads", kWhole, 2000},
        {"unknown", kWhole, 1},
        {"zombies", kWhole, 2}}},
      {"swap",
       "",
       {{"free", kWhole, 4e9},
        {"total", kWhole, 4e9},
        {"used", kWhole, 4e9},
        {"used_percent", kDecimal}}},
      {"kernel",
       "",
       {{"boot_time", kWhole, 1.7e9},
        {"context_switches", kCounter, 1e6},
        {"entropy_avail", kWhole, 256},
        {"interrupts", kCounter, 1e6},
        {"processes_forked", kCounter, 100}}},
  }};
  shapes_.reserve(inputs.size());
  for (const Input& input : inputs)
    shapes_.push_back(input.fields);
  for (std::size_t host = 0; host < hosts; ++host) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      add(std::string(inputs[i].measurement) + inputs[i].tags + ",host=web" + number(host, 3),
          shapes_[i]);
    }
  }
}

/// As little as a line can be. The lines of a table make rows of one size.
void Generator::make_narrow(std::size_t hosts) {
  const std::vector<Field>& fields =
      shapes_.emplace_back(std::vector<Field>{{"value", Kind::kDecimal, 100}});
  for (std::size_t host = 0; host < hosts; ++host)
    add("narrow,host=h" + number(host, 3), fields);
}

/// Many tables: each line is for another one than the line before.
void Generator::make_many(std::size_t hosts, std::size_t measurements) {
  const std::vector<Field>& fields =
      shapes_.emplace_back(std::vector<Field>{{"count", Kind::kCounter, 100},
                                              {"load", Kind::kDecimal, 16},
                                              {"ratio", Kind::kDecimal, 1},
                                              {"size", Kind::kWhole, 1e6}});
  for (std::size_t host = 0; host < hosts; ++host) {
    for (std::size_t i = 0; i < measurements; ++i) {
      add("metric_" + number(i, 3) + ",host=h" + number(host, 2) + ",region=eu-central-1", fields);
    }
  }
}

}  // namespace

Pool::Pool(const WorkloadOptions& options, std::size_t lines) {
  Generator generator(options);
  std::string line;
  for (std::size_t i = 0; i < lines; ++i) {
    line.clear();
    generator.append(line);
    line += ' ';
    const std::size_t stamp = line.size();
    line.append(kStampDigits, '0') += '\n';

    const bool fits =
        !datagrams_.empty() && datagrams_.back().size + line.size() <= options.datagram_bytes;
    if (!fits) datagrams_.push_back({text_.size(), 0, i, 0});
    datagrams_.back().size += line.size();
    ++datagrams_.back().lines;
    stamps_.push_back(text_.size() + stamp);
    text_ += line;
  }
}

Datagram Pool::cut(const Datagram& datagram, std::size_t lines) const noexcept {
  if (lines >= datagram.lines) return datagram;
  const std::size_t end = stamps_[datagram.first_line + lines - 1] + kStampDigits + 1;
  return {datagram.offset, end - datagram.offset, datagram.first_line, lines};
}

void Pool::stamp(std::size_t line, std::int64_t nanoseconds) noexcept {
  char* const digits = text_.data() + stamps_[line];
  for (std::size_t i = kStampDigits; i > 0; --i) {
    digits[i - 1] = static_cast<char>('0' + nanoseconds % 10);
    nanoseconds /= 10;
  }
}

}  // namespace influx::bench
