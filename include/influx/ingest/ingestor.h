#pragma once

#include <deque>
#include <map>

#include "influx/ingest/batch_writer.h"
#include "influx/ingest/ddl_ration.h"
#include "influx/ingest/held_lines.h"
#include "influx/ingest/memory_budget.h"
#include "influx/ingest/refusal.h"
#include "influx/ingest/row_group.h"
#include "influx/ingest/row_mapper.h"
#include "influx/ingest/row_template.h"
#include "influx/ingest/transaction_control.h"
#include "influx/line_protocol/parser.h"
#include "influx/schema/extension.h"
#include "influx/schema/table_cache.h"

namespace influx::ingest {

/// Takes line protocol into the tables of one schema, a batch at a time:
///
///     ingestor.resume_held();       // what waited for a table, if it need not wait any more
///     ingestor.add(text, origin);   // parse, map to rows; as often as wanted
///     ingestor.store();             // insert, make missing tables and columns, commit
///     ingestor.clear();             // forget the batch
///
/// A batch is read first and written after. No lock is held on a table between the two, and tables
/// are made and extended in transactions of their own, so that nobody waits for a lock while
/// holding another one.
///
/// A batch whose rows, descriptions and plans take more memory than `influx.max_memory` allows is
/// written in parts: what comes behind is read when that is written, and what was used least
/// recently is forgotten in between.
///
/// What becomes of a line: it is stored, or given to the RefusalHandler, or it waits: in the batch
/// until store() has returned true, or beyond the batch, where its table can take nothing now, or
/// cannot be made or extended yet. Nothing waits for a table but its own lines, and for a column
/// but those that need it, and those that may be of the same key.
///
/// The functions call the server and open transactions as they need them; no transaction need be
/// open. In a function of the server SPI has to be connected. Texts stay valid until clear().
/// Errors of the server are dealt with inside, where the transactions are the owner's; else they
/// are thrown as postgres::ServerError, and std::bad_alloc.
class Ingestor : private UnwrittenRows {
 public:
  Ingestor(Oid namespace_oid, line_protocol::Precision precision, RefusalHandler& refusals,
           TransactionControl& transactions);
  ~Ingestor() override;
  Ingestor(const Ingestor&) = delete;
  Ingestor& operator=(const Ingestor&) = delete;

  /// Takes the memory to keep the lines of a text of so many bytes, whatever comes. False, with a
  /// failure(), where there is none. Behind this, add() throws no std::bad_alloc.
  bool make_room_for(std::size_t bytes);

  /// Parses `text` and maps its points to rows.
  void add(std::string_view text, const Origin& origin);

  /// The same for a text of any length: maps lines from its start on, as many as make a batch of
  /// moderate size, and returns what is left of the text. `number` is that of the first line, and
  /// becomes that of the first one left. Interrupts end it, by postgres::ServerError.
  std::string_view add_some(std::string_view text, const Origin& origin, std::uint32_t* number);

  /// How many lines, or bytes, make a batch for add_some(), and are to for others who add texts
  /// without end: what a batch needs beside the texts is bounded by it.
  static constexpr std::size_t kMostLinesOfBatch = 20'000;
  static constexpr std::size_t kMostBytesOfBatch = std::size_t{1024} * 1024;

  /// The number of lines of the batch, apart from refused ones and those that wait for a table.
  std::size_t pending() const noexcept { return pending_; }

  /// Whether the memory for rows is used up, so that store() is to be called before more is added.
  /// What is added nevertheless is kept as text.
  bool is_full() noexcept { return paused_ || budget_.is_exceeded(); }

  /// Stores what was added. Where the transactions are the owner's, trouble with a row costs that
  /// row. False where the server can write nothing now, see failure(): the batch is kept, and
  /// another call goes on with it. Where `insist`, it does not come to that: rows that cannot be
  /// written are refused.
  bool store(bool insist = false);

  /// Why store() or make_room_for() returned false.
  const postgres::Error& failure() const noexcept { return failure_; }

  /// After an error that has ended one of the calls in the middle: puts the lines that it had in
  /// hand back into the batch.
  void put_back();

  /// Refuses what is left of a batch that could not be stored.
  void refuse_batch(const postgres::Error& reason);

  /// Forgets the batch, stored or not.
  void clear();

  // Lines that wait beyond the batch.

  /// Takes the lines into the batch for whose table an attempt is due, and which nobody has locked.
  /// To be called before add(). Those that wait for a column are tried by store().
  void resume_held();

  /// When the next attempt is due, in nanoseconds of the monotonic clock; nothing where no line
  /// waits.
  std::optional<std::int64_t> next_attempt_ns() const noexcept;

  /// The number of lines that wait.
  std::size_t held() const noexcept { return held_.lines() + unextended_.lines(); }

  /// Refuses the lines that wait, as part of the batch. With store() behind it, they are done with.
  void refuse_held();

  /// Measures the memory of the process, and gives back what there is too much. Nobody tells of
  /// what code of users takes. REQUIRES: no batch, and no transaction.
  void look_at_memory();
  /// By how many bytes the process is beyond its budget, and beyond what it may be for moments,
  /// when all that can be made again was given up; 0 where it is not. REQUIRES: no batch.
  std::size_t excess_memory() noexcept;

  /// Forgets what is known of the tables, as after a change of settings.
  void forget_tables();

  // Since the object was made.

  /// Lines added: points and malformed lines, each once.
  std::uint64_t lines() const noexcept { return lines_ + unread_lines_; }
  /// Points that are stored for good.
  std::uint64_t stored() const noexcept { return writer_.stored(); }
  /// The largest time of these, in nanoseconds since the epoch; nothing where there is none.
  std::optional<std::int64_t> newest_point_ns() const noexcept { return writer_.newest_point_ns(); }
  /// Those of them whose key was there already, where influx.on_conflict is `nothing`; also what a
  /// trigger left out of a table with a key.
  std::uint64_t duplicates() const noexcept { return writer_.duplicates(); }
  /// Transactions that had to be repeated.
  std::uint64_t retries() const noexcept { return writer_.retries(); }

 private:
  struct RememberedRefusal {
    postgres::Error error;
    std::int64_t until_ns = 0;
  };
  /// What map_lines() and its callers have in hand: lines that are in no list meanwhile.
  struct Mapping {
    bool reads = false;     ///< the rest of the parser's text is to be read
    bool has_line = false;  ///< `line` is
    Line line;
    std::uint32_t first_number = 0;
    std::uint32_t origin = 0;
    std::size_t deferred = 0;  ///< so many of the last ones of deferred_before_
    std::size_t resumed = 0;   ///< so many of the last lines of resumed_
  };
  /// What has become of an attempt to make a table or columns.
  enum class Made : std::uint8_t {
    kDone,     ///< lines are to be mapped again: it was made, or is refused for a while
    kWaits,    ///< lines that need it wait
    kNothing,  ///< the server can do nothing now, see failure_
  };
  /// Lines that waited beyond a batch, and were taken into this one.
  struct Resumed {
    std::string measurement;
    HeldLines::Queue lines;
  };

  bool has_room_for(std::size_t bytes) const noexcept;
  bool make_room(std::size_t lines, std::size_t origins);
  void map_lines(std::uint32_t first_number, std::uint32_t origin,
                 std::size_t most_lines = SIZE_MAX, std::size_t most_bytes = SIZE_MAX);
  bool has_to_pause() noexcept;
  void leave_rest();
  void map_point(const Line& line);
  void put_aside(const Line& line, const postgres::Error& error);
  bool may_create(const Line& line, std::string_view measurement);
  bool append_by_template(const line_protocol::Point& point, const Line& line);
  void add_row(const std::shared_ptr<schema::Table>& table, const Line& line);
  RowGroup& group_for(const std::shared_ptr<const schema::Table>& table,
                      const std::shared_ptr<InsertPlan>& plan);
  void refuse(const Line& line, Refusal refusal, std::string_view measurement);
  void refuse_malformed(const Line& line);

  bool store_in_rounds();
  void map_deferred();
  std::size_t bytes_deferred() const noexcept;
  void refuse_deferred(const postgres::Error& reason);

  static std::int64_t next_pause_ns(bool is_lock, int attempts);
  static std::size_t most_pending() noexcept;
  std::size_t held_bytes() const noexcept {
    return held_.bytes() + unextended_.bytes() + ration_.bytes() + kept_bytes_;
  }
  int attempts_at(std::string_view measurement) const noexcept;
  void hold_table(std::string_view measurement, const postgres::Error* reason);
  bool has_room_to_hold(std::string_view measurement, std::size_t bytes) noexcept;
  void use_kept_room(std::string_view measurement, std::size_t bytes) noexcept;
  void hold_line(std::string_view measurement, const Line& line);
  void put_aside_with_table(const Line& line, std::string_view measurement,
                            const postgres::Error* reason);
  bool resume(HeldLines& from, const std::string& measurement);
  void postpone(const std::string& measurement);
  bool is_locked(const std::string& measurement);
  void tell_of_resumed();

  void defer(const Line& line, std::string_view measurement,
             const std::shared_ptr<schema::Table>& table);
  bool note_need(const Line& line, std::string_view measurement,
                 const std::shared_ptr<schema::Table>& table);
  Need& need_of(schema::Extension&& extension, const postgres::Error* reason);
  void wait_for_extension(const Line& line, std::string_view measurement,
                          const std::shared_ptr<schema::Table>& table);
  void note_keys(const schema::Table& table, Need& need);
  bool is_behind(const std::shared_ptr<schema::Table>& table);
  bool slice_is_over() noexcept;
  bool extend_all();
  bool extend_held();
  bool extend_held(const std::string& measurement);
  Made extend(schema::Extension& extension, HeldLines::Queue* queue);
  bool extension_failed(schema::Extension& extension, HeldLines::Queue* queue,
                        const postgres::Error* reason, postgres::Error* failure);
  void remember_refusal(std::string_view measurement, const postgres::Error& error);
  void tell_of_ration();

  void sweep();
  void end_part();
  void keep_to_budget();
  void give_up_tables();

  void refuse_row(const RowGroup& group, const Line& line, const Refusal& refusal) override;
  void map_again(const Line& line) override;
  void hold(const std::string& measurement, const std::vector<Line>& lines,
            const postgres::Error* reason) override;
  bool may_wait(const std::string& measurement, int sqlstate) const override;

  Oid namespace_oid_;
  RefusalHandler& refusals_;
  TransactionControl& transactions_;
  line_protocol::Parser parser_;
  schema::TableCache tables_;
  schema::Extender extender_;
  RowMapper mapper_;
  PlanCache plans_;
  RowTemplates templates_;
  MemoryBudget budget_;
  BatchWriter writer_;

  MemoryContext memory_;        ///< parent of the two below
  MemoryContext batch_memory_;  ///< reset by clear()
  MemoryContext row_memory_;    ///< reset for each line

  std::vector<Origin> origins_;
  BatchWriter::Groups groups_;
  std::unordered_map<const InsertPlan*, RowGroup*> open_groups_;  ///< that took the last row
  std::uint64_t batch_ = 1;                                       ///< counts parts of batches
  std::vector<std::uint64_t> row_buffer_;                         ///< for RowShape::fill()
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
  std::size_t nulls_size_ = 0;
  std::size_t pending_ = 0;
  std::size_t looked_up_ = 0;  ///< measurements of malformed lines, in this batch
  std::uint64_t lines_ = 0;
  bool plan_made_ = false;          ///< in this part
  bool paused_ = false;             ///< the rest is read when this part is written
  std::uint64_t part_begin_ = 0;    ///< lines_ when the part began
  std::uint64_t unread_lines_ = 0;  ///< of what was left, beyond those that lines_ has of it
  std::size_t forgotten_at_ = 0;    ///< what budget_ measured when catalogs were forgotten last

  /// Wait for an extension of their table, or to be mapped again. Where lines could not even be
  /// told apart, one stands for several.
  std::vector<Line> deferred_;
  std::vector<Line> deferred_before_;  ///< for map_deferred()
  Mapping mapping_;
  std::map<std::string, schema::Extension, std::less<>> extensions_;
  std::map<std::string, RememberedRefusal, std::less<>> refused_extensions_;
  HeldLines held_;        ///< their table is locked, or takes nothing now: all lines of it
  HeldLines unextended_;  ///< their table or columns cannot be made yet: only those that need them
  DdlRation ration_;
  std::deque<Resumed> resumed_;
  /// Bytes of lines of held_ that were taken into the batch, by measurement. Until the batch ends
  /// the room stays theirs: lines that have waited are not refused for want of it.
  std::map<std::string, std::size_t, std::less<>> kept_room_;
  std::size_t kept_bytes_ = 0;       ///< the sum of these
  std::int64_t slice_begun_ns_ = 0;  ///< when store() began to make tables and columns; 0 for not
  std::int64_t patient_ns_ = 0;      ///< no attempt waits for long for a lock before
  std::int64_t next_slice_ns_ = 0;   ///< those that wait are not tried again before
  std::int64_t ration_told_ns_ = 0;  ///< not to be told again before

  postgres::Error failure_{0, ""};
  bool insist_ = false;      ///< of the last store()
  bool cannot_map_ = false;  ///< the server was in trouble when lines were mapped; see failure_
};

}  // namespace influx::ingest
