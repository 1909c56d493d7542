#include "influx/ingest/row_template.h"

#include "influx/ingest/convert.h"
#include "influx/line_protocol/hash.h"
#include "influx/postgres/text.h"

namespace influx::ingest {

using line_protocol::Point;
using line_protocol::ValueType;
using schema::Column;
using schema::ColumnIndex;
using schema::ColumnKind;
using schema::kNoColumn;
using schema::Table;

namespace {

/// All constants and shapes together. The constants of a series with ten tags take about a hundred
/// bytes.
constexpr std::size_t kMostBytes = std::size_t{16} * 1024 * 1024;
constexpr std::size_t kMostShapes = 4096;

/// Before each constant stands its size.
using ConstantSize = std::uint32_t;

constexpr std::int32_t kNoField = -1;
constexpr std::int32_t kTimeField = -2;

/// Room behind the tuple for stores that are wider than what they store.
constexpr std::size_t kSlack = 16;

/// Whether a text always gives the same datum of the column's type. An input function may depend on
/// settings or the clock, and a domain on anything.
bool is_stable(const Column& column) noexcept {
  return column.kind != ColumnKind::kOther && !column.is_domain;
}

std::uint8_t alignment_of(const FormData_pg_attribute& attribute) noexcept {
  switch (attribute.attalign) {
    case TYPALIGN_DOUBLE:
      return ALIGNOF_DOUBLE;
    case TYPALIGN_INT:
      return ALIGNOF_INT;
    case TYPALIGN_SHORT:
      return ALIGNOF_SHORT;
    default:
      return 1;
  }
}

/// Writes the data of a tuple, by the rules of heap_fill_tuple() (heaptuple.c).
class TupleWriter {
 public:
  /// `at` is where the data starts, maximally aligned.
  explicit TupleWriter(char* at) noexcept : at_(at) {}

  char* end() const noexcept { return at_; }

  void align(std::uintptr_t alignment) noexcept {
    // What is skipped is zero, so that equal rows have equal bytes. kSlack leaves room.
    std::memset(at_, 0, sizeof(std::uint64_t));
    at_ += -reinterpret_cast<std::uintptr_t>(at_) & (alignment - 1);
  }
  void copy(const char* bytes, std::size_t size) noexcept {
    std::memcpy(at_, bytes, size);
    at_ += size;
  }
  void word(Datum datum) noexcept {
    align(ALIGNOF_DOUBLE);
    std::memcpy(at_, &datum, sizeof(datum));
    at_ += sizeof(datum);
  }
  void text(std::string_view text) noexcept {
    if (text.size() + VARHDRSZ_SHORT <= VARATT_SHORT_MAX) return short_text(text);
    align(ALIGNOF_INT);
    SET_VARSIZE(at_, text.size() + VARHDRSZ);
    at_ += VARHDRSZ;
    copy(text.data(), text.size());
  }
  /// REQUIRES: a text that fits a short header.
  void short_text(std::string_view text) noexcept {
    SET_VARSIZE_SHORT(at_, text.size() + VARHDRSZ_SHORT);
    at_ += VARHDRSZ_SHORT;
    copy(text.data(), text.size());
  }

 private:
  char* at_;
};

/// The most bytes that `datum` may take in a tuple, its alignment included.
std::size_t room_for(const FormData_pg_attribute& attribute, Datum datum) noexcept {
  return att_addlength_datum(std::size_t{MAXIMUM_ALIGNOF}, attribute.attlen, datum);
}

/// Writes a value in the form that it has in a tuple, but for its alignment.
void write_unaligned(TupleWriter& out, const FormData_pg_attribute& attribute,
                     Datum datum) noexcept {
  const char* value = DatumGetPointer(datum);
  if (attribute.attbyval) {
    char bytes[sizeof(Datum)];
    store_att_byval(bytes, datum, attribute.attlen);
    out.copy(bytes, static_cast<std::size_t>(attribute.attlen));
  } else if (attribute.attlen == -1 && !VARATT_IS_SHORT(value) && VARATT_CAN_MAKE_SHORT(value)) {
    out.short_text({VARDATA(value), VARSIZE(value) - VARHDRSZ});
  } else {
    out.copy(value, att_addlength_datum(std::size_t{0}, attribute.attlen, datum));
  }
}

/// Whether a value in that form needs the alignment of its type: a short text needs none.
bool needs_alignment(const FormData_pg_attribute& attribute, const char* value) noexcept {
  return attribute.attlen != -1 || !VARATT_IS_SHORT(value);
}

/// What the columns of the plan take, by slot: the time, a field, or nothing of the kind. False
/// where a field has no column.
bool find_fields(const RowMapper& mapper, const Table& table, const InsertPlan& plan,
                 std::vector<std::int32_t>& field_of) {
  field_of.assign(plan.columns().size(), kNoField);
  std::int32_t field = 0;
  for (const ColumnIndex column : mapper.field_columns()) {
    if (column == kNoColumn) return false;
    field_of[static_cast<std::size_t>(plan.slot_of(column))] = field++;
  }
  field_of[static_cast<std::size_t>(plan.slot_of(table.time))] = kTimeField;
  return true;
}

}  // namespace

std::unique_ptr<RowShape> RowShape::learn(const RowMapper& mapper, const MappedRow& row,
                                          const std::shared_ptr<const Table>& table,
                                          const std::shared_ptr<InsertPlan>& plan) {
  std::vector<std::int32_t> field_of;
  if (!find_fields(mapper, *table, *plan, field_of)) return nullptr;

  std::unique_ptr<RowShape> learnt(new RowShape);
  learnt->table_ = table;
  learnt->plan_ = plan;
  const auto width = static_cast<std::int16_t>(plan->columns().size());
  for (std::int16_t slot = 0; slot < width; ++slot) {
    if (row.nulls[slot]) continue;
    const std::int32_t field = field_of[static_cast<std::size_t>(slot)];
    if (field == kNoField && !is_stable(learnt->column_at(slot))) return nullptr;
    learnt->add_piece(slot, field);
  }

  const std::size_t header = row.tuple->t_hoff - std::size_t{MINIMAL_TUPLE_OFFSET};
  learnt->header_.assign(reinterpret_cast<const char*>(row.tuple), header);
  std::memset(learnt->header_.data(), 0, sizeof(row.tuple->t_len));  // fill() writes the row's own
  return learnt;
}

const Column& RowShape::column_at(std::int16_t slot) const noexcept {
  return table_->column(plan_->columns()[static_cast<std::size_t>(slot)]);
}

bool RowShape::operator==(const RowShape& other) const noexcept {
  return table_ == other.table_ && plan_ == other.plan_ && pieces_ == other.pieces_ &&
         header_ == other.header_;
}

std::uint64_t RowShape::hash() const noexcept {
  std::uint64_t hash = line_protocol::hash_of(header_, line_protocol::process_hash_seed());
  for (const Piece& piece : pieces_)
    hash = line_protocol::mix(hash,
                              std::uint64_t{piece.field} << 32 | static_cast<unsigned>(piece.slot));
  return line_protocol::mix(hash, reinterpret_cast<std::uintptr_t>(plan_.get()));
}

void RowShape::add_piece(std::int16_t slot, std::int32_t field) {
  Piece piece;
  piece.slot = slot;
  if (field == kTimeField) {
    piece.source = Source::kTime;
  } else if (field != kNoField) {
    const Column& column = column_at(slot);
    piece.field = static_cast<std::uint32_t>(field);
    piece.kind = column.is_constrained() ? ColumnKind::kOther : column.kind;
    piece.source = Source::kField;
    if (piece.kind == ColumnKind::kInt8 || piece.kind == ColumnKind::kFloat8) {
      piece.source = Source::kWord;
    } else if (piece.kind == ColumnKind::kText && !postgres::converts_text()) {
      piece.source = Source::kText;
    }
  }
  pieces_.push_back(piece);
}

std::string RowShape::constants(const MappedRow& row) const {
  std::string constants;
  std::string value;
  for (const Piece& piece : pieces_) {
    if (piece.source != Source::kConstant) continue;
    const FormData_pg_attribute& attribute = *TupleDescAttr(plan_->descriptor(), piece.slot);
    const Datum datum = row.values[piece.slot];
    value.resize(room_for(attribute, datum));
    TupleWriter out(value.data());
    write_unaligned(out, attribute, datum);
    const auto size = static_cast<ConstantSize>(out.end() - value.data());
    constants.append(reinterpret_cast<const char*>(&size), sizeof(size));
    constants.append(value.data(), size);
  }
  return constants;
}

MinimalTuple RowShape::fill(const Point& point, std::string_view constants,
                            std::int64_t received_ns, std::vector<std::uint64_t>& buffer) const {
  const auto start = [&] { return reinterpret_cast<char*>(buffer.data()); };
  std::size_t room = 0;
  const auto reserve = [&](std::size_t more) {
    room += more;
    if (buffer.size() * sizeof(buffer[0]) < room) buffer.resize(room / sizeof(buffer[0]) + 1);
  };
  reserve(header_.size() + constants.size() + pieces_.size() * 2 * MAXIMUM_ALIGNOF + kSlack);
  std::memcpy(start(), header_.data(), header_.size());
  TupleWriter out(start() + header_.size());
  // For a value of any size. The buffer may move.
  const auto make_room = [&](std::size_t more) {
    const std::ptrdiff_t used = out.end() - start();
    reserve(more);
    out = TupleWriter(start() + used);
  };

  const char* constant = constants.data();
  for (const Piece& piece : pieces_) {
    if (piece.source == Source::kConstant) {
      ConstantSize size = 0;
      std::memcpy(&size, constant, sizeof(size));
      constant += sizeof(size);
      const FormData_pg_attribute& attribute = *TupleDescAttr(plan_->descriptor(), piece.slot);
      if (needs_alignment(attribute, constant)) out.align(alignment_of(attribute));
      out.copy(constant, size);
      constant += size;
      continue;
    }
    if (piece.source == Source::kTime) {
      out.word(time_datum(table_->time_kind, point.timestamp.value_or(received_ns)));
      continue;
    }
    const line_protocol::FieldValue& value = point.fields[piece.field].value;
    Datum datum = 0;
    if (piece.source == Source::kWord && plain_datum(piece.kind, value, &datum)) {
      out.word(datum);
    } else if (piece.source == Source::kText && value.type == ValueType::kString) {
      make_room(value.text.size() + VARHDRSZ);
      out.text(value.text);
    } else {
      Refusal refusal;
      if (!to_datum(column_at(piece.slot), value, &datum, &refusal)) return nullptr;
      const FormData_pg_attribute& attribute = *TupleDescAttr(plan_->descriptor(), piece.slot);
      make_room(room_for(attribute, datum));
      if (needs_alignment(attribute, DatumGetPointer(datum))) out.align(alignment_of(attribute));
      write_unaligned(out, attribute, datum);
    }
  }
  auto* tuple = reinterpret_cast<MinimalTuple>(start());
  tuple->t_len = static_cast<std::uint32_t>(out.end() - start());
  return tuple;
}

void RowTemplates::learn(const Point& point, const RowMapper& mapper, const MappedRow& row,
                         const std::shared_ptr<const Table>& table,
                         const std::shared_ptr<InsertPlan>& plan) {
  if (point.series.id == 0 || point.field_keys.id == 0) return;
  std::unique_ptr<RowShape> learnt = RowShape::learn(mapper, row, table, plan);
  if (learnt == nullptr) return;
  std::string constants = learnt->constants(row);

  if (bytes_ + constants.size() + learnt->bytes() > kMostBytes || shapes_.size() >= kMostShapes) {
    clear();
  }
  if (point.series.slot >= series_.size()) series_.resize(point.series.slot + 1);
  RowShape* shape = shared(std::move(learnt), point.field_keys.id);
  shape->plans_made = table->plans_made;

  Series& series = series_[point.series.slot];
  if (series.id != point.series.id || series.plan != plan.get()) {
    bytes_ += constants.size();
    bytes_ -= series.constants.size();
    series = {point.series.id, plan.get(), {}, std::move(constants)};
  }
  // In the place of what was known of these fields, or else of what was learnt first.
  auto place = std::find_if(series.shapes.begin(), series.shapes.end() - 1, [&](const auto& form) {
    return form.field_keys == point.field_keys.id;
  });
  std::move_backward(series.shapes.begin(), place, place + 1);
  series.shapes.front() = {point.field_keys.id, shape};
}

/// The shape that was learnt before, or else this one.
RowShape* RowTemplates::shared(std::unique_ptr<RowShape> learnt, std::uint64_t field_keys) {
  const std::uint64_t key = line_protocol::mix(learnt->hash(), field_keys);
  const auto [first, last] = shapes_.equal_range(key);
  const auto known =
      std::find_if(first, last, [&](const auto& entry) { return *entry.second == *learnt; });
  if (known != last) return known->second.get();
  bytes_ += learnt->bytes();
  return shapes_.emplace(key, std::move(learnt))->second.get();
}

void RowTemplates::sweep() noexcept {
  for (Series& series : series_) {
    const auto is_stale = [](const KnownShape& form) {
      return form.shape != nullptr && !form.shape->is_current();
    };
    if (std::none_of(series.shapes.begin(), series.shapes.end(), is_stale)) continue;
    bytes_ -= series.constants.size();
    series = {};
  }
  std::erase_if(shapes_, [&](const auto& entry) {
    if (entry.second->is_current()) return false;
    bytes_ -= entry.second->bytes();
    return true;
  });
}

void RowTemplates::clear() noexcept {
  series_.clear();
  shapes_.clear();
  bytes_ = 0;
}

}  // namespace influx::ingest
