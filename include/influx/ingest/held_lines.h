#pragma once

#include <deque>

#include "influx/ingest/refusal.h"

namespace influx::ingest {

/// Lines whose table is locked by somebody: they wait here, in order of arrival, while those of
/// other tables are written. Owns their text.
///
/// Times are nanoseconds of the monotonic clock.
class HeldLines {
 public:
  /// The lines of one table.
  class Queue {
   public:
    std::size_t size() const noexcept { return lines_.size(); }
    /// How often it was tried to write them.
    int attempts() const noexcept { return attempts_; }

    /// Gives each line to `take(Line, Origin)`, in order. The `origin` of the Line means nothing;
    /// its text is valid as long as the queue, wherever that is moved.
    template <typename Take>
    void for_each(Take&& take) const {
      for (const Entry& entry : lines_)
        take(Line{entry.text, entry.number, 0}, origins_[entry.origin]);
    }

   private:
    friend class HeldLines;
    struct Entry {
      std::string_view text;
      std::uint32_t number = 0;
      std::uint32_t origin = 0;
    };
    std::deque<std::string> blocks_;  ///< of text; they do not grow beyond what was reserved
    std::vector<Entry> lines_;
    std::vector<Origin> origins_;
    std::size_t bytes_ = 0;
    int attempts_ = 0;
    std::int64_t next_attempt_ns_ = 0;
  };

  /// The longest pause after the first attempt; it doubles with each further one, up to the longest
  /// of all. Pauses are random between half of that and all of it.
  static constexpr std::int64_t kFirstPauseNs = 50'000'000;
  static constexpr std::int64_t kLongestPauseNs = 1'000'000'000;

  bool empty() const noexcept { return queues_.empty(); }
  /// The number of lines that wait, of all tables and of one.
  std::size_t lines() const noexcept { return lines_; }
  std::size_t lines(std::string_view measurement) const noexcept;
  /// The memory that they take, in bytes.
  std::size_t bytes() const noexcept { return bytes_; }

  /// Whether lines of `measurement` (UTF-8) have to wait.
  bool holds(std::string_view measurement) const noexcept {
    return queues_.find(measurement) != queues_.end();
  }

  /// From now on lines of `measurement` wait, after so many `attempts` at writing them, the one
  /// that just failed among them. Where they wait already, the time of the next attempt is set
  /// anew.
  void hold(std::string_view measurement, int attempts, std::int64_t now_ns);

  /// Adds a copy of a line, or throws std::bad_alloc. REQUIRES: holds(measurement).
  void add(std::string_view measurement, const Line& line, const Origin& origin);

  /// When the next attempt is due; nothing where no table is held.
  std::optional<std::int64_t> next_attempt_ns() const noexcept;

  /// The tables for which an attempt is due, and all tables that are held.
  std::vector<std::string> due(std::int64_t now_ns) const;
  std::vector<std::string> measurements() const { return due(INT64_MAX); }

  /// Ends the waiting of `measurement`, and hands over its lines. REQUIRES: holds(measurement).
  Queue release(std::string_view measurement);

  /// How often it was tried to write the lines of `measurement`; 0 where they do not wait.
  int attempts(std::string_view measurement) const noexcept;

 private:
  std::map<std::string, Queue, std::less<>> queues_;
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace influx::ingest
