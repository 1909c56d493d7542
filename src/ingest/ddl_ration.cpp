#include "influx/ingest/ddl_ration.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "influx/transport/clock.h"

namespace influx::ingest {

namespace {

/// Senders that are known at a time. One that is forgotten begins anew, as far as all together may.
constexpr std::size_t kMostSenders = 1024;
/// What all together may have made, as a multiple of what each may.
constexpr double kShareOfAll = 4;

/// An entry of a list or of a tree, with its string, for DdlRation::bytes().
constexpr std::size_t kEntryBytes = 80;
constexpr std::size_t kSenderBytes = 96;

std::size_t entry_bytes(const std::string& measurement) noexcept {
  return kEntryBytes + measurement.size();
}

}  // namespace

DdlRation::Sender DdlRation::sender_of(const transport::Endpoint& endpoint) noexcept {
  if (endpoint.length == 0) return 0;
  if (endpoint.address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(endpoint.address);
    Sender network = 0;
    std::memcpy(&network, &six.sin6_addr, sizeof(network));
    return network;
  }
  // No network of IPv6 that sends has this form.
  const auto& four = reinterpret_cast<const sockaddr_in&>(endpoint.address);
  return Sender{four.sin_addr.s_addr} << 32 | 0xffffffff;
}

void DdlRation::Bucket::fill(double rate, std::int64_t now_ns) noexcept {
  const double seconds =
      static_cast<double>(now_ns - filled_ns) / static_cast<double>(transport::kNsPerSecond);
  left = std::min(rate, left + rate * seconds);
  filled_ns = now_ns;
}

DdlRation::Bucket& DdlRation::bucket_of(Sender sender, double rate, std::int64_t now_ns) {
  const auto known = by_sender_.find(sender);
  if (known != by_sender_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, known->second);
  } else {
    buckets_.push_front({sender, rate, now_ns});
    try {
      by_sender_.emplace(sender, buckets_.begin());
    } catch (const std::bad_alloc&) {
      buckets_.pop_front();
      throw;
    }
    if (buckets_.size() > kMostSenders) {
      by_sender_.erase(buckets_.back().sender);
      buckets_.pop_back();
    }
  }
  Bucket& bucket = buckets_.front();
  bucket.fill(rate, now_ns);
  if (!all_) all_ = Bucket{0, kShareOfAll * rate, now_ns};
  all_->fill(kShareOfAll * rate, now_ns);
  return bucket;
}

bool DdlRation::take(Sender sender, std::size_t objects, double rate, std::int64_t now_ns) {
  if (!waiting_.empty()) return false;
  const Bucket& bucket = bucket_of(sender, rate, now_ns);
  if (bucket.left <= 0 || all_->left <= 0) return false;
  charge(sender, objects, rate, now_ns);
  return true;
}

void DdlRation::charge(Sender sender, std::size_t objects, double rate, std::int64_t now_ns) {
  bucket_of(sender, rate, now_ns).left -= static_cast<double>(objects);
  all_->left -= static_cast<double>(objects);
}

void DdlRation::wait(Sender sender, std::string_view measurement) {
  std::list<std::string> one;
  one.emplace_back(measurement);
  const auto [entry, is_new] = waiting_.try_emplace(sender);
  bytes_ += entry_bytes(one.front()) + (is_new ? kSenderBytes : 0);
  entry->second.splice(entry->second.end(), one);
}

std::optional<std::pair<DdlRation::Sender, std::string>> DdlRation::next(double rate,
                                                                         std::int64_t now_ns) {
  for (std::size_t tried = 0; tried < waiting_.size(); ++tried) {
    auto turn = waiting_.upper_bound(last_);
    if (turn == waiting_.end()) turn = waiting_.begin();
    last_ = turn->first;
    const double left = bucket_of(last_, rate, now_ns).left;
    if (all_->left <= 0) return std::nullopt;
    if (left <= 0) continue;
    std::pair<Sender, std::string> next{last_, std::move(turn->second.front())};
    bytes_ -= entry_bytes(next.second);
    turn->second.pop_front();
    if (turn->second.empty()) {
      bytes_ -= kSenderBytes;
      waiting_.erase(turn);
    }
    return next;
  }
  return std::nullopt;
}

std::int64_t DdlRation::next_turn_ns(double rate) const noexcept {
  if (!all_) return 0;
  const double seconds = (1 - all_->left) / (kShareOfAll * rate);
  return all_->filled_ns +
         static_cast<std::int64_t>(seconds * static_cast<double>(transport::kNsPerSecond));
}

void DdlRation::clear() noexcept {
  waiting_.clear();
  bytes_ = 0;
}

}  // namespace influx::ingest
