#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace influx::bench {

// Line protocol as senders send it, made from fixed seeds: the same in every run and on every
// machine. An input is as large as a datagram that fits an Ethernet frame, or smaller.

struct Workload {
  std::vector<std::string> datagrams;
  std::size_t lines = 0;
  std::size_t bytes = 0;
};

/// As the cpu workload of TSBS: one measurement, ten tags, ten integers; 4000 hosts in turn.
Workload tsbs(std::size_t lines, std::size_t hosts = 4000);

/// As an agent on each of some hosts: nine measurements of different shapes, floats, integers and
/// strings, in the same order in every round.
Workload agent(std::size_t lines, std::size_t hosts = 50);

/// One tag, one float, 1000 tag values in turn.
Workload narrow(std::size_t lines, std::size_t hosts = 1000);

/// 500 measurements, each with field keys of its own.
Workload many_measurements(std::size_t lines);

}  // namespace influx::bench
