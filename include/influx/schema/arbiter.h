#pragma once

#include "influx/schema/table.h"

namespace influx::schema {

/// How two values of a column are found to be the same by an index.
enum class Equality : std::uint8_t {
  kWord,      ///< the datums are
  kBytes,     ///< their bytes are, behind the header of a varlena
  kFunction,  ///< the function by which the index orders them says so
};

/// A column of a key, and what rows have in it that bring no value.
struct KeyColumn {
  enum class Absent : std::uint8_t {
    kNull,       ///< NULL
    kConstant,   ///< `constant`
    kGenerated,  ///< something that depends on the other columns
    kUnknown,    ///< something that differs from row to row, as the next value of a sequence
  };

  ColumnIndex column = kNoColumn;
  Absent absent = Absent::kNull;
  Equality equality = Equality::kFunction;
  Datum constant = 0;  ///< in memory of the table
  /// For kFunction, in memory of the table. Every index has an order; a hash function need not go
  /// with it, and where one does, a sender could choose values that collide.
  Oid collation = InvalidOid;
  mutable FmgrInfo order{};
};

/// A unique index that can tell that a point is there already: the arbiter of an INSERT ... ON
/// CONFLICT. It is valid, checked at once, over columns only, over all rows, and has the time
/// column.
struct Arbiter {
  Oid index = InvalidOid;
  bool is_primary = false;
  bool nulls_equal = false;  ///< NULLS NOT DISTINCT
  std::vector<KeyColumn> key;
  std::vector<bool> columns;  ///< by column of the table: whether the key has it

  bool has(ColumnIndex column) const noexcept { return columns[static_cast<std::size_t>(column)]; }
};

/// Fills `arbiters` with those of `relation`, of which `table` is the description: the primary key
/// first, then those of fewer columns, then the older ones. None where ON CONFLICT cannot be used
/// at all: for a relation of another kind, one with rules, or one whose policies would refuse every
/// row of it. Uses `memory` for what lives as long as the description. For Table::describe().
/// Raises.
void describe_arbiters(Relation relation, const Table& table, MemoryContext memory,
                       std::vector<Arbiter>& arbiters);

/// The arbiter for points with values in the columns `present`, of which `fields` are those that
/// take fields (kNoColumn among them means nothing); null where such points are just inserted.
/// An arbiter counts where no field is part of its key, where all of the key is known from the
/// point, and where the role may do what influx.on_conflict takes.
const Arbiter* choose_arbiter(const Table& table, std::span<const ColumnIndex> present,
                              std::span<const ColumnIndex> fields) noexcept;

/// Whether points that are there already update `column`, as far as rights are concerned.
bool may_merge(const Column& column) noexcept;

}  // namespace influx::schema
