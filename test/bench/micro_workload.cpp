#include "bench/micro_workload.h"

#include <cstdint>
#include <cstdio>
#include <random>
#include <string_view>

namespace influx::bench {
namespace {

constexpr std::size_t kDatagram = 1400;

// Packs lines into datagrams.
class Packer {
 public:
  void add(std::string_view line) {
    auto& datagrams = workload_.datagrams;
    if (datagrams.empty() || datagrams.back().size() + line.size() + 1 > kDatagram) {
      datagrams.emplace_back();
    }
    datagrams.back().append(line).append("\n");
    workload_.bytes += line.size() + 1;
    ++workload_.lines;
  }
  std::size_t lines() const { return workload_.lines; }
  Workload take() { return std::move(workload_); }

 private:
  Workload workload_;
};

class Random {
 public:
  // Not a distribution of the library: those differ between libraries.
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }
  std::string integer(std::uint64_t limit) { return std::to_string(below(limit)) + "i"; }
  std::string decimal(std::uint64_t limit, int decimals) {
    double divisor = 1;
    for (int i = 0; i < decimals; ++i)
      divisor *= 10;
    const double scaled = static_cast<double>(below(limit * static_cast<std::uint64_t>(divisor)));
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", decimals, scaled / divisor);
    return text;
  }
  // As a float is printed so that reading gives it back.
  std::string shortest(std::uint64_t limit) {
    char text[64];
    const double value = static_cast<double>(below(limit)) / 7.0;
    for (int digits = 1; digits <= 17; ++digits) {
      std::snprintf(text, sizeof text, "%.*g", digits, value);
      if (std::stod(text) == value) break;
    }
    return text;
  }

 private:
  std::mt19937_64 engine_{42};
};

std::string time_of(std::size_t round) {
  return " " + std::to_string(1451606400000000000U + round * 10'000'000'000U);
}

}  // namespace

Workload tsbs(std::size_t lines, std::size_t hosts) {
  constexpr std::string_view kRegions[] = {"eu-west-1", "us-east-1",    "us-west-2",
                                           "sa-east-1", "eu-central-1", "ap-northeast-1"};
  constexpr std::string_view kFields[] = {"user", "system",  "idle",  "nice",  "iowait",
                                          "irq",  "softirq", "steal", "guest", "guest_nice"};
  Random tags;
  std::vector<std::string> series;
  for (std::size_t host = 0; host < hosts; ++host) {
    const std::string region(kRegions[tags.below(std::size(kRegions))]);
    series.push_back("cpu,hostname=host_" + std::to_string(host) + ",region=" + region +
                     ",datacenter=" + region + "abc"[tags.below(3)] +
                     ",rack=" + std::to_string(tags.below(100)) +
                     (tags.below(2) ? ",os=Ubuntu16.10,arch=x64" : ",os=Ubuntu15.10,arch=x86") +
                     (tags.below(2) ? ",team=NYC" : ",team=SF") +
                     ",service=" + std::to_string(tags.below(20)) +
                     ",service_version=" + std::to_string(tags.below(2)) +
                     ",service_environment=" + (tags.below(2) ? "staging" : "production"));
  }
  Random values;
  Packer packer;
  while (packer.lines() < lines) {
    std::string line = series[packer.lines() % hosts];
    char separator = ' ';
    for (const std::string_view field : kFields) {
      line.append(1, separator).append("usage_").append(field).append("=");
      line += values.integer(100);
      separator = ',';
    }
    packer.add(line + time_of(packer.lines() / hosts));
  }
  return packer.take();
}

Workload agent(std::size_t lines, std::size_t hosts) {
  Random random;
  Packer packer;
  const auto integers = [&random](std::initializer_list<const char*> keys, std::uint64_t limit) {
    std::string text;
    for (const char* key : keys)
      text += (text.empty() ? "" : ",") + std::string(key) + "=" + random.integer(limit);
    return text;
  };
  for (std::size_t round = 0; packer.lines() < lines; ++round) {
    const std::string host = ",host=web-" + std::to_string(round % hosts) + ".example.net";
    const std::string time = time_of(round / hosts);
    for (const char* cpu : {"cpu0", "cpu1", "cpu2", "cpu3", "cpu-total"}) {
      std::string line = std::string("cpu,cpu=") + cpu + host;
      char separator = ' ';
      for (const char* key : {"usage_user", "usage_system", "usage_idle", "usage_nice",
                              "usage_iowait", "usage_irq", "usage_softirq", "usage_steal"}) {
        line.append(1, separator).append(key).append("=");
        const bool is_idle = key == std::string_view("usage_nice") ||
                             key == std::string_view("usage_irq") ||
                             key == std::string_view("usage_steal");
        line += is_idle ? "0" : random.decimal(100, 8);
        separator = ',';
      }
      packer.add(line + time);
    }
    packer.add("mem" + host + " " +
               integers({"active", "available", "buffered", "cached", "free", "total", "used"},
                        16'000'000'000) +
               ",used_percent=" + random.shortest(700) +
               ",available_percent=" + random.shortest(700) + time);
    for (const char* disk : {"sda1,fstype=ext4", "sdb1,fstype=xfs"}) {
      packer.add(std::string("disk,device=") + disk + host + ",mode=rw,path=/ " +
                 integers({"free", "inodes_free", "inodes_total", "inodes_used", "total", "used"},
                          500'000'000'000) +
                 ",used_percent=" + random.decimal(100, 8) + time);
    }
    packer.add("diskio" + host + ",name=sda " +
               integers({"io_time", "iops_in_progress", "read_bytes", "read_time", "reads",
                         "weighted_io_time", "write_bytes", "write_time", "writes"},
                        10'000'000'000) +
               time);
    packer.add("net" + host + ",interface=eth0 " +
               integers({"bytes_recv", "bytes_sent", "drop_in", "drop_out", "err_in", "err_out",
                         "packets_recv", "packets_sent"},
                        100'000'000'000) +
               time);
    packer.add("system" + host + " load1=" + random.decimal(4, 2) +
               ",load5=" + random.decimal(4, 2) + ",load15=" + random.decimal(4, 4) +
               ",n_cpus=4i,n_users=" + random.integer(5) + time);
    packer.add("system" + host + " uptime=" + random.integer(10'000'000) +
               ",uptime_format=\"12 days,  3:24\"" + time);
    packer.add("processes" + host + " " +
               integers({"blocked", "dead", "idle", "running", "sleeping", "stopped", "total",
                         "total_threads", "unknown", "zombies"},
                        500) +
               time);
    packer.add("swap" + host + " " + integers({"free", "total", "used"}, 4'000'000'000) +
               ",used_percent=" + random.decimal(100, 4) + time);
    packer.add("kernel" + host + " " +
               integers({"boot_time", "context_switches", "entropy_avail", "interrupts",
                         "processes_forked"},
                        2'000'000'000) +
               time);
  }
  return packer.take();
}

Workload narrow(std::size_t lines, std::size_t hosts) {
  Random random;
  Packer packer;
  while (packer.lines() < lines) {
    packer.add("temperature,sensor=s" + std::to_string(packer.lines() % hosts) +
               " value=" + random.decimal(40, 2) + time_of(packer.lines() / hosts));
  }
  return packer.take();
}

Workload many_measurements(std::size_t lines) {
  Random random;
  Packer packer;
  while (packer.lines() < lines) {
    const std::string number = std::to_string(packer.lines() % 500);
    std::string line = "measurement_" + number + ",host=h" + number + ",zone=a";
    for (char field = 'a'; field < 'f'; ++field) {
      line += (field == 'a' ? " " : ",") + std::string("m") + number + "_" + field + "=" +
              random.integer(1'000'000);
    }
    packer.add(line + time_of(packer.lines() / 500));
  }
  return packer.take();
}

}  // namespace influx::bench
