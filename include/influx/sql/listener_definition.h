#pragma once

#include "influx/postgres/server.h"
#include "influx/worker/listener_table.h"

namespace influx::sql {

/// The columns of the table influx_listeners, as they are in a ListenerDefinition.
enum class ListenerColumn : std::uint8_t {
  kName,
  kSchema,
  kRole,
  kTransport,
  kAddress,
  kService,
  kPrecision,
  kWorkers,
  kBatchSize,
  kBatchTimeout,
  kReadBuffer,
  kAllowedSources,
  kEnabled,
};
inline constexpr std::size_t kListenerColumns = 13;

/// The columns of worker::kOverrides, in its order.
inline constexpr ListenerColumn kOverrideColumns[] = {
    ListenerColumn::kAddress, ListenerColumn::kBatchSize, ListenerColumn::kBatchTimeout,
    ListenerColumn::kReadBuffer, ListenerColumn::kAllowedSources};
static_assert(lengthof(kOverrideColumns) == lengthof(worker::kOverrides));

/// A row of the table influx_listeners. Plain data; what it points to is in the memory context that
/// was current when it was put there.
class ListenerDefinition {
 public:
  bool is_null(ListenerColumn column) const noexcept { return nulls_[index(column)]; }
  Datum value(ListenerColumn column) const noexcept { return values_[index(column)]; }
  void set(ListenerColumn column, Datum value) noexcept;
  void set_null(ListenerColumn column) noexcept { nulls_[index(column)] = true; }

  // A value by its type. REQUIRES: the column has that type, and is not null. Raise out of memory
  // only.
  const char* name(ListenerColumn column) const;
  int integer(ListenerColumn column) const noexcept { return DatumGetInt32(value(column)); }
  bool flag(ListenerColumn column) const noexcept { return DatumGetBool(value(column)); }
  /// Also an integer, as text; nullptr for null.
  const char* string(ListenerColumn column) const;

 private:
  static std::size_t index(ListenerColumn column) noexcept {
    return static_cast<std::size_t>(column);
  }

  Datum values_[kListenerColumns] = {};
  // Null until it is set.
  bool nulls_[kListenerColumns] = {true, true, true, true, true, true, true,
                                   true, true, true, true, true, true};
};

/// The definition that the arguments of listener_create() describe. Raises where one of them cannot
/// be read, or is missing.
ListenerDefinition definition_of_arguments(FunctionCallInfo fcinfo, bool service_is_integer);

/// Changes `definition` by the arguments of listener_alter(); the name stays. Raises as above.
void alter_definition(FunctionCallInfo fcinfo, bool service_is_integer,
                      ListenerDefinition* definition);

}  // namespace influx::sql
