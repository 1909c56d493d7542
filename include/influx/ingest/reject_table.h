#pragma once

#include <deque>

#include "influx/ingest/refusal.h"
#include "influx/ingest/reject_bounds.h"
#include "influx/line_protocol/precision.h"

namespace influx::ingest {

inline constexpr const char* kRejectTable = "influx_rejects";

/// The table `influx_rejects` of the extension, as seen by a listener: keeps refused lines, and
/// writes them with the batch to which they belong. Nobody but the extension's owner need have
/// rights on the table: it is written as its owner.
class RejectTable {
 public:
  /// What goes into the columns of the same names.
  RejectTable(Oid namespace_oid, std::uint16_t port, line_protocol::Precision precision) noexcept
      : namespace_oid_(namespace_oid), port_(port), precision_(precision) {}

  /// Keeps a copy of a line for the next write(), or drops it where there is no memory. What waits
  /// is held to the bounds of the table: beyond them the oldest lines are dropped.
  void keep(const Line& line, const Origin& origin, const Refusal& refusal) noexcept;

  /// The number of lines that wait for write().
  std::size_t waiting() const noexcept { return waiting_.size(); }

  /// Inserts what was kept, in the open transaction, and deletes the oldest rows beyond the bounds.
  /// Whatever stands against it costs the transaction nothing: it is noted (see failure()), and the
  /// lines are dropped, unless it is something of the moment, as a lock or a cancel: then they wait
  /// for the next call. REQUIRES: SPI connected. Throws std::bad_alloc.
  void write();

  /// The transaction of the last write() has come to its end. Where it was rolled back, what was
  /// written is to be written again.
  void end(bool committed) noexcept;

  /// Rows written for good since the object was made, and lines that were dropped.
  std::uint64_t written() const noexcept { return written_; }
  std::uint64_t dropped() const noexcept { return dropped_; }
  /// Why lines were dropped last; empty where none were.
  const char* failure() const noexcept { return failure_; }
  /// The name of the table, as written in SQL, when it was last written to.
  const std::string& name() const noexcept { return name_; }

 private:
  struct Reject {
    std::string line;
    std::string measurement;
    std::string reason;
    std::string sender;  ///< its address; empty where it is unknown
    std::uint16_t sender_port = 0;
    std::int64_t received_ns = 0;
    std::optional<std::size_t> position;
    int sqlstate = 0;

    /// What it counts for the bounds.
    std::size_t bytes() const noexcept {
      return line.size() + reason.size() + RejectBounds::kBytesOfRow;
    }
  };

  void insert_all(Oid table);
  void insert(Oid table, const Reject& reject);
  void prepare(Oid table);
  void drop_oldest(std::size_t count, const char* reason) noexcept;
  void drop(std::size_t count, const char* reason) noexcept;

  Oid namespace_oid_;
  std::uint16_t port_;
  line_protocol::Precision precision_;
  std::deque<Reject> waiting_;
  std::size_t bytes_ = 0;  ///< of those
  RejectBounds bounds_;
  std::size_t in_transaction_ = 0;  ///< of the lines that wait: written by the open transaction
  std::uint64_t written_ = 0;
  std::uint64_t dropped_ = 0;
  char failure_[256] = {};
  std::string name_;

  SPIPlanPtr insert_plan_ = nullptr;  ///< for the table `name_`
  int columns_ = 0;                   ///< of the table, that the plan writes
};

}  // namespace influx::ingest
