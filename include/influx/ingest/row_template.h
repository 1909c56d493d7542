#pragma once

#include "influx/ingest/insert_plan.h"
#include "influx/ingest/refusal.h"
#include "influx/ingest/row_mapper.h"
#include "influx/line_protocol/point.h"
#include "influx/schema/table.h"

namespace influx::ingest {

class RowGroup;

/// A row that was mapped: by slots of its plan, and formed. Plain data; the memory is the caller's.
struct MappedRow {
  const Datum* values = nullptr;
  const bool* nulls = nullptr;
  MinimalTuple tuple = nullptr;
};

/// The form of the rows of one plan whose points have the same field keys: which column takes the
/// time, which one which field, and which ones the tags of the series.
///
/// It is learnt from a row that RowMapper has made, and says of later points what the mapper would
/// say; where it cannot be sure, it leaves the point to the mapper.
class RowShape {
 public:
  /// Learns from `row`, which `mapper` has just made for `plan` of `table`. Null where such rows
  /// cannot be told from the keys alone: a field goes to the jsonb column, or a tag's column is of
  /// a type that need not always make the same value of a text.
  static std::unique_ptr<RowShape> learn(const RowMapper& mapper, const MappedRow& row,
                                         const std::shared_ptr<const schema::Table>& table,
                                         const std::shared_ptr<InsertPlan>& plan);
  RowShape(const RowShape&) = delete;
  RowShape& operator=(const RowShape&) = delete;

  const std::shared_ptr<const schema::Table>& table() const noexcept { return table_; }
  const std::shared_ptr<InsertPlan>& plan() const noexcept { return plan_; }

  /// Whether rows of the two have all in common but the values.
  bool operator==(const RowShape& other) const noexcept;
  /// The same for shapes that are equal.
  std::uint64_t hash() const noexcept;

  /// What the tags make up in a row, for fill(). REQUIRES: `row` is of this shape.
  std::string constants(const MappedRow& row) const;

  /// Makes the row of `point`, with the `constants` of its series, at `buffer`, which belongs to
  /// the caller and is used from row to row; the tuple is of the plan's descriptor and valid until
  /// the buffer's next use. Null where a value does not fit its column: the mapper will say why.
  /// REQUIRES: a transaction, and a memory context that is reset from row to row. Raises.
  MinimalTuple fill(const line_protocol::Point& point, std::string_view constants,
                    std::int64_t received_ns, std::vector<std::uint64_t>& buffer) const;

  /// The group of the batch being collected that takes the rows. For the Ingestor, to which it
  /// means something only where `batch` is the number of this batch.
  RowGroup* group = nullptr;
  std::uint64_t batch = 0;
  /// Table::plans_made when the plan was chosen.
  std::uint64_t plans_made = 0;

  /// Whether its rows are still made for this plan.
  bool is_current() const noexcept { return table_->current && table_->plans_made == plans_made; }

  /// About how many bytes it takes, beside its table and plan.
  std::size_t bytes() const noexcept {
    return sizeof(RowShape) + pieces_.size() * sizeof(Piece) + header_.size();
  }

 private:
  RowShape() = default;
  void add_piece(std::int16_t slot, std::int32_t field);
  const schema::Column& column_at(std::int16_t slot) const noexcept;

  /// What comes next in the tuple.
  enum class Source : std::uint8_t {
    kConstant,  ///< bytes of the constants
    kTime,      ///< the time
    kWord,      ///< a field of eight bytes
    kText,      ///< a field whose text is taken as it is
    kField,     ///< any other field
  };
  struct Piece {
    Source source = Source::kConstant;
    schema::ColumnKind kind = schema::ColumnKind::kOther;
    std::int16_t slot = 0;    ///< of the plan
    std::uint32_t field = 0;  ///< index in the point
    bool operator==(const Piece&) const = default;
  };

  std::shared_ptr<const schema::Table> table_;
  std::shared_ptr<InsertPlan> plan_;
  std::vector<Piece> pieces_;  ///< of the data of the tuple, in order
  std::string header_;         ///< of the tuple, with its bitmap of nulls
};

/// What is known of the rows of the series that the parser remembers. Bounded: a series takes the
/// place of the one before in its slot, and beyond a total size all are forgotten, to be learnt
/// anew.
class RowTemplates {
 public:
  /// How to make the row of a point: `shape->fill(point, constants, ...)`. Plain data.
  struct Template {
    RowShape* shape = nullptr;
    std::string_view constants;
  };

  /// What is known of the rows of points like `point`; without a shape where that is nothing. Valid
  /// until the next learn() or clear().
  Template find(const line_protocol::Point& point) const noexcept {
    if (point.series.id == 0 || point.series.slot >= series_.size()) return {};
    const Series& known = series_[point.series.slot];
    if (known.id != point.series.id) return {};
    for (const KnownShape& form : known.shapes) {
      if (form.field_keys == point.field_keys.id) return {form.shape, known.constants};
    }
    return {};
  }

  /// Learns from `row`, made of `point`, as RowShape::learn() does, if the parser remembers the
  /// point.
  void learn(const line_protocol::Point& point, const RowMapper& mapper, const MappedRow& row,
             const std::shared_ptr<const schema::Table>& table,
             const std::shared_ptr<InsertPlan>& plan);

  /// Forgets the forms that are not current any more, which keep their plans in memory.
  void sweep() noexcept;
  void clear() noexcept;

 private:
  /// Some senders divide the fields of a series between lines.
  static constexpr std::size_t kShapes = 4;

  struct KnownShape {
    std::uint64_t field_keys = 0;
    RowShape* shape = nullptr;
  };
  struct Series {
    std::uint64_t id = 0;
    const InsertPlan* plan = nullptr;
    std::array<KnownShape, kShapes> shapes;  ///< the last one learnt first
    std::string constants;
  };

  RowShape* shared(std::unique_ptr<RowShape> learnt, std::uint64_t field_keys);

  std::vector<Series> series_;  ///< by slot
  std::size_t bytes_ = 0;       ///< of all constants and shapes
  /// By hash and field keys: a sender may bring every choice of tags with the same fields.
  std::unordered_multimap<std::uint64_t, std::unique_ptr<RowShape>> shapes_;
};

}  // namespace influx::ingest
