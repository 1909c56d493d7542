#pragma once

#include <set>

#include "influx/ingest/need.h"
#include "influx/ingest/refusal.h"
#include "influx/postgres/error.h"

namespace influx::ingest {

/// Lines that cannot be written now for something about their table: they wait here, in order of
/// arrival, while those of other tables are written. Owns their text.
///
/// Times are nanoseconds of the monotonic clock.
class HeldLines {
 public:
  /// The lines of one table.
  class Queue {
   public:
    std::size_t size() const noexcept { return lines_.size(); }
    /// The memory that they take, in bytes, with the queue itself.
    std::size_t bytes() const noexcept { return counted_bytes_; }
    /// How often it was tried to write them.
    int attempts() const noexcept { return attempts_; }
    /// The sender of the last of them. REQUIRES: size() > 0.
    const transport::Endpoint& last_sender() const noexcept { return origins_.back().sender; }

    /// Gives each line to `take(Line, Origin)`, in order. The `origin` of the Line means nothing;
    /// its text is valid as long as the queue, wherever that is moved.
    template <typename Take>
    void for_each(Take&& take) const {
      for (const Entry& entry : lines_)
        take(Line{entry.text, entry.number, 0}, origins_[entry.origin]);
    }

    /// Why they wait; null where their table is locked by somebody.
    std::unique_ptr<postgres::Error> reason;
    /// What they need of their table; null where that is nothing.
    std::unique_ptr<Need> need;

   private:
    friend class HeldLines;
    struct Entry {
      std::string_view text;
      std::uint32_t number = 0;
      std::uint32_t origin = 0;
    };
    struct Block {
      std::unique_ptr<char[]> text;
      std::size_t capacity = 0;
      std::size_t used = 0;
    };
    void reserve(std::size_t lines, std::size_t bytes, std::size_t origins);
    void add_block(std::size_t bytes);
    std::size_t count_bytes() const noexcept;

    std::vector<Block> blocks_;
    std::vector<Entry> lines_;
    std::vector<Origin> origins_;
    std::size_t block_bytes_ = 0;
    std::size_t name_bytes_ = 0;
    std::size_t counted_bytes_ = 0;
    int attempts_ = 0;
    std::int64_t next_attempt_ns_ = kNever;
  };

  /// The time of an attempt that is not to be made.
  static constexpr std::int64_t kNever = INT64_MAX;

  bool empty() const noexcept { return queues_.empty(); }
  /// The number of lines that wait, of all tables.
  std::size_t lines() const noexcept { return lines_; }
  /// The memory that they take, in bytes, with all that is kept for them.
  std::size_t bytes() const noexcept { return bytes_; }

  /// The lines of `measurement` (UTF-8) that wait; null where it has no queue.
  Queue* find(std::string_view measurement) noexcept;
  bool holds(std::string_view measurement) const noexcept {
    return queues_.find(measurement) != queues_.end();
  }

  /// From now on there is a queue for `measurement`, after so many `attempts` at writing its lines,
  /// with the next one at `next_attempt_ns`. Where there is one, these are set anew.
  Queue& hold(std::string_view measurement, int attempts, std::int64_t next_attempt_ns);

  /// Adds a copy of a line, or throws std::bad_alloc. REQUIRES: holds(measurement).
  void add(std::string_view measurement, const Line& line, const Origin& origin);

  /// Takes the memory for so many lines of so many bytes, and changes of their origin, or throws
  /// std::bad_alloc. Behind this, add() of these does not. REQUIRES: holds(measurement).
  void reserve(std::string_view measurement, std::size_t lines, std::size_t bytes,
               std::size_t origins);

  /// Counts the memory of a queue anew, after its `reason` or `need` has changed.
  void recount(Queue& queue) noexcept;

  /// When the next attempt is due; nothing where there is none.
  std::optional<std::int64_t> next_attempt_ns() const noexcept;

  /// The tables for which an attempt is due, the longest overdue first, and all that have a queue.
  std::vector<std::string> due(std::int64_t now_ns) const;
  std::vector<std::string> measurements() const;

  /// Ends the waiting of `measurement`, and hands over its lines. REQUIRES: holds(measurement).
  Queue release(std::string_view measurement);

  /// How often it was tried to write the lines of `measurement`; 0 where they do not wait.
  int attempts(std::string_view measurement) const noexcept;

 private:
  using Queues = std::map<std::string, Queue, std::less<>>;

  Queues queues_;
  std::set<std::pair<std::int64_t, const std::string*>> by_time_;  ///< those with a next attempt
  std::size_t lines_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace influx::ingest
