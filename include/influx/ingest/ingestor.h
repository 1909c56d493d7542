#pragma once

#include "influx/ingest/refusal.h"
#include "influx/ingest/row_group.h"
#include "influx/ingest/row_mapper.h"
#include "influx/ingest/row_template.h"
#include "influx/line_protocol/parser.h"
#include "influx/schema/extension.h"
#include "influx/schema/table_cache.h"

namespace influx::ingest {

/// How the owner of an Ingestor handles transactions: a listener has its own, a function is in its
/// caller's.
class TransactionControl {
 public:
  virtual ~TransactionControl() = default;
  /// Makes what was done so far final and goes on in a new transaction, if that is the owner's to
  /// do.
  virtual void next() = 0;
  /// Makes what was done so far final, if that is the owner's to do.
  virtual void commit() = 0;
  /// After an error: rolls back and goes on in a new transaction. False where the error has to be
  /// raised to the caller instead.
  virtual bool recover() = 0;
};

/// Takes line protocol into the tables of one schema, a batch at a time:
///
///     ingestor.add(text, origin);   // parse, map to rows; as often as wanted
///     ingestor.store();             // make missing tables and columns, insert, commit
///     ingestor.clear();             // forget the batch
///
/// A batch is read first and written after. No lock is held on a table between the two, and tables
/// are made and extended in between, so that nobody waits for a lock while holding another one.
///
/// REQUIRES: a transaction by begin_transaction() around add() and store(), and in a function SPI
/// connected. Texts stay valid until clear().
class Ingestor {
 public:
  Ingestor(Oid namespace_oid, line_protocol::Precision precision, RefusalHandler& refusals,
           TransactionControl& transactions);
  ~Ingestor();
  Ingestor(const Ingestor&) = delete;
  Ingestor& operator=(const Ingestor&) = delete;

  /// Parses `text` and maps its points to rows. Lines that cannot be stored are refused at once.
  void add(std::string_view text, const Origin& origin);

  /// The number of lines that wait for store().
  std::size_t pending() const noexcept { return pending_; }

  /// The number of lines added since the object was made: points and malformed lines, each once.
  std::uint64_t lines() const noexcept { return lines_; }

  /// How often rows were written again because of an error of the moment.
  std::uint64_t retries() const noexcept { return retries_; }

  /// Stores what was added. Where the transactions are the owner's, a row that its table refuses
  /// costs that row, and store() raises nothing that concerns rows. Returns the number of points
  /// stored.
  std::size_t store();

  /// Forgets the batch, stored or not.
  void clear();

  /// Forgets what is known of the tables, as after a change of settings.
  void forget_tables();

 private:
  struct RememberedRefusal {
    int sqlstate = 0;
    std::string message;
    std::string detail;
    std::string hint;
    TimestampTz until = 0;
  };

  bool map_lines(std::uint32_t first_number, std::uint32_t origin);
  void map_point(const Line& line);
  bool append_by_template(const line_protocol::Point& point, const Line& line);
  void add_row(const std::shared_ptr<schema::Table>& table, const Line& line);
  RowGroup& group_for(const std::shared_ptr<const schema::Table>& table,
                      const std::shared_ptr<InsertPlan>& plan);
  void defer(const Line& line, std::string_view measurement, const schema::Table* table);
  void refuse(const Line& line, const Refusal& refusal);
  void refuse_deferred();

  void settle();
  void extend_all();
  void map_deferred();

  /// How rows are written: each group by one statement, or so that a refused row can be found.
  enum class Mode : std::uint8_t { kTogether, kApart };
  bool write(Mode mode);
  void write_groups(Mode mode);
  bool table_is_current(RowGroup& group);
  void write_rows(RowGroup& group, std::size_t first, std::size_t count);
  void refuse_rows();
  void next_transaction();
  void recover(ErrorData* report);
  std::size_t commit_states() noexcept;

  RefusalHandler& refusals_;
  TransactionControl& transactions_;
  line_protocol::Parser parser_;
  schema::TableCache tables_;
  schema::Extender extender_;
  RowMapper mapper_;
  PlanCache plans_;
  RowTemplates templates_;

  MemoryContext memory_;        ///< parent of the two below
  MemoryContext batch_memory_;  ///< reset by clear()
  MemoryContext row_memory_;    ///< reset for each line

  std::vector<Origin> origins_;
  std::vector<std::unique_ptr<RowGroup>> groups_;
  std::unordered_map<const InsertPlan*, RowGroup*> open_groups_;  ///< that took the last row
  std::uint64_t batch_ = 1;                                       ///< counts the batches
  std::vector<std::uint64_t> row_buffer_;                         ///< for RowShape::fill()
  std::vector<Datum> values_;
  std::unique_ptr<bool[]> nulls_;
  std::size_t nulls_size_ = 0;
  std::size_t pending_ = 0;
  std::size_t stored_ = 0;
  std::uint64_t lines_ = 0;
  std::uint64_t retries_ = 0;
  int write_error_ = 0;  ///< SQLSTATE of the error that ended the last write()
  std::string write_message_;

  std::vector<Line> deferred_;  ///< wait for an extension of their table
  std::map<std::string, schema::Extension, std::less<>> extensions_;
  std::map<std::string, RememberedRefusal, std::less<>> refused_extensions_;
};

}  // namespace influx::ingest
