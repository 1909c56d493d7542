// The listeners of the server, and what they have counted: pg_stat_get_influx() for the view
// pg_stat_influx, and influx_workers() of version 1.0.

#include "influx/ingest/convert.h"
#include "influx/ingest/json.h"
#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/worker/registry.h"

namespace {

using influx::ingest::kRefusalKinds;
using influx::ingest::RefusalKind;
using influx::postgres::readable;
using influx::postgres::text_datum;
using influx::worker::BucketCounts;
using influx::worker::ListenerState;
using influx::worker::ListenerStatus;

/// A value of a column; NULL where it is not known. Plain data.
struct Value {
  Datum datum = 0;
  bool is_null = true;
};

Value value(Datum datum) {
  return {datum, false};
}

Value text(std::string_view text) {
  return value(text_datum(text));
}

Value count(std::uint64_t count) {
  return value(Int64GetDatum(static_cast<int64>(count)));
}

Value name(const char* name) {
  if (name == nullptr) return {};
  auto* copy = static_cast<Name>(palloc(sizeof(NameData)));
  namestrcpy(copy, name);
  return value(NameGetDatum(copy));
}

Value time(TimestampTz time) {
  return time == 0 ? Value{} : value(TimestampTzGetDatum(time));
}

Value time_of_ns(std::int64_t nanoseconds) {
  if (nanoseconds == influx::worker::kNoTime) return {};
  return value(TimestampTzGetDatum(influx::ingest::timestamp_of(nanoseconds)));
}

const char* name_of(ListenerState state) {
  switch (state) {
    case ListenerState::kNone:
      break;
    case ListenerState::kStarting:
      return "starting";
    case ListenerState::kListening:
      return "listening";
    case ListenerState::kFailed:
      return "failed";
  }
  pg_unreachable();
}

/// The schema as it is called now, where this database knows; else as it was at the launch.
const char* schema_of(const ListenerStatus& listener) {
  if (listener.arguments.database == MyDatabaseId) {
    const char* name = get_namespace_name(listener.arguments.namespace_oid);
    if (name != nullptr) return name;
  }
  return readable(listener.arguments.schema, listener.arguments.encoding);
}

/// The name in the table influx_listeners; one that worker_launch() has started has none.
Value listener(const ListenerStatus& listener) {
  if (listener.supervised.listener[0] == '\0') return {};
  return name(readable(listener.supervised.listener, listener.arguments.encoding));
}

/// An element for each address; a last one that is NULL stands for those that had no room.
Value addresses(const ListenerStatus& listener) {
  std::string_view rest = listener.sockets.addresses;
  if (rest.empty()) return {};
  constexpr std::string_view kBetween = ", ";
  ArrayBuildState* array = nullptr;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find(kBetween), rest.size());
    array = accumArrayResult(array, text_datum(rest.substr(0, end)), false, TEXTOID,
                             CurrentMemoryContext);
    rest.remove_prefix(std::min(end + kBetween.size(), rest.size()));
  }
  if (!listener.sockets.complete)
    array = accumArrayResult(array, Datum{0}, true, TEXTOID, CurrentMemoryContext);
  return value(makeArrayResult(array, CurrentMemoryContext));
}

Value rejected_by(const ListenerStatus& listener) {
  influx::ingest::JsonObject object;
  for (std::size_t kind = 0; kind < kRefusalKinds; ++kind) {
    const std::uint64_t count = listener.counters.rejected[kind];
    if (count == 0) continue;
    influx::line_protocol::FieldValue value;
    value.type = influx::line_protocol::ValueType::kInteger;
    value.as_integer = static_cast<std::int64_t>(count);
    object.add(influx::ingest::kind_name(static_cast<RefusalKind>(kind)), value);
  }
  return value(object.finish());
}

Value rows(const ListenerStatus& listener, std::uint64_t percent) {
  const auto rows = influx::worker::percentile(listener.batches.rows, percent);
  return rows.has_value() ? count(*rows) : Value{};
}

Value milliseconds(const ListenerStatus& listener, std::uint64_t percent) {
  const auto taken = influx::worker::percentile(listener.batches.microseconds, percent);
  if (!taken.has_value()) return {};
  return value(Float8GetDatum(static_cast<double>(*taken) / 1000));
}

Value last_error(const ListenerStatus& listener) {
  if (listener.failure.time == 0) return {};
  return text(readable(listener.failure.message, listener.arguments.encoding));
}

Value last_error_sqlstate(const ListenerStatus& listener) {
  if (listener.failure.time == 0) return {};
  return text(unpack_sql_state(listener.failure.sqlstate));
}

/// Version 1.0 had one column for both.
Value last_error_and_sqlstate(const ListenerStatus& listener) {
  if (listener.failure.time == 0) return {};
  return text(psprintf("%s (SQLSTATE %s)",
                       readable(listener.failure.message, listener.arguments.encoding),
                       unpack_sql_state(listener.failure.sqlstate)));
}

using Listener = const ListenerStatus&;
using ValueOf = Value (*)(Listener listener);

struct Column {
  const char* name;
  ValueOf value_of;
};

constexpr Column kColumns[] = {
    {"pid", [](Listener l) { return l.pid == 0 ? Value{} : value(Int32GetDatum(l.pid)); }},
    {"listener", listener},
    {"database", [](Listener l) { return name(get_database_name(l.arguments.database)); }},
    {"schema", [](Listener l) { return name(schema_of(l)); }},
    {"role", [](Listener l) { return name(GetUserNameFromId(l.arguments.role, true)); }},
    {"transport", [](Listener) { return text("udp"); }},
    {"addresses", addresses},
    {"port", [](Listener l) { return value(Int32GetDatum(l.arguments.port)); }},
    {"precision",
     [](Listener l) { return text(influx::line_protocol::name_of(l.arguments.precision)); }},
    {"state", [](Listener l) { return text(name_of(l.state)); }},
    {"started", [](Listener l) { return time(l.started); }},
    {"restarts", [](Listener l) { return value(Int32GetDatum(l.restarts)); }},
    {"read_buffer",
     [](Listener l) {
       return l.sockets.addresses[0] == '\0' ? Value{} : count(l.sockets.read_buffer);
     }},
    {"datagrams", [](Listener l) { return count(l.counters.datagrams); }},
    {"bytes", [](Listener l) { return count(l.counters.bytes); }},
    {"lines", [](Listener l) { return count(l.counters.lines); }},
    {"stored", [](Listener l) { return count(l.counters.stored); }},
    {"rejected", [](Listener l) { return count(l.counters.rejected_lines()); }},
    {"rejected_by", rejected_by},
    {"waiting", [](Listener l) { return count(l.counters.waiting); }},
    {"lost_lines", [](Listener l) { return count(l.counters.lost_lines); }},
    {"kernel_drops", [](Listener l) { return count(l.counters.kernel_drops); }},
    {"truncated", [](Listener l) { return count(l.counters.truncated); }},
    {"filtered", [](Listener l) { return count(l.counters.filtered); }},
    {"lost_datagrams", [](Listener l) { return count(l.counters.lost_datagrams); }},
    {"duplicates", [](Listener l) { return count(l.counters.duplicates); }},
    {"batches", [](Listener l) { return count(l.counters.batches); }},
    {"retries", [](Listener l) { return count(l.counters.retries); }},
    {"batch_rows_p50", [](Listener l) { return rows(l, 50); }},
    {"batch_rows_p99", [](Listener l) { return rows(l, 99); }},
    {"commit_ms_p50", [](Listener l) { return milliseconds(l, 50); }},
    {"commit_ms_p99", [](Listener l) { return milliseconds(l, 99); }},
    {"last_datagram", [](Listener l) { return time_of_ns(l.counters.last_datagram_ns); }},
    {"newest_time", [](Listener l) { return time_of_ns(l.counters.newest_point_ns); }},
    {"last_error", last_error},
    {"last_error_sqlstate", last_error_sqlstate},
    {"last_error_time", [](Listener l) { return time(l.failure.time); }},
    {"stats_reset", [](Listener l) { return time(l.reset); }},
};

ValueOf find_column(const char* name) {
  for (const Column& column : kColumns) {
    if (std::strcmp(column.name, name) == 0) return column.value_of;
  }
  elog(ERROR, "unknown column \"%s\"", name);
}

/// Fills the result by the names of its columns: what they are is for the version of the extension
/// in this database to say, which need not be that of the module.
void put_listeners(ReturnSetInfo* result) {
  TupleDesc descriptor = result->setDesc;
  const auto width = static_cast<std::size_t>(descriptor->natts);
  auto* columns = static_cast<ValueOf*>(palloc(sizeof(ValueOf) * width));
  bool has_sqlstate = false;
  for (std::size_t i = 0; i < width; ++i) {
    columns[i] = find_column(NameStr(TupleDescAttr(descriptor, static_cast<int>(i))->attname));
    has_sqlstate = has_sqlstate || columns[i] == last_error_sqlstate;
  }
  if (!has_sqlstate) {
    std::replace(columns, columns + width, ValueOf{last_error}, ValueOf{last_error_and_sqlstate});
  }

  auto* values = static_cast<Datum*>(palloc(sizeof(Datum) * width));
  auto* nulls = static_cast<bool*>(palloc(sizeof(bool) * width));
  for (const ListenerStatus& listener : influx::worker::listeners()) {
    for (std::size_t i = 0; i < width; ++i) {
      const Value shown = columns[i](listener);
      values[i] = shown.datum;
      nulls[i] = shown.is_null;
    }
    tuplestore_putvalues(result->setResult, descriptor, values, nulls);
  }
}

Datum show_listeners(FunctionCallInfo fcinfo) {
  InitMaterializedSRF(fcinfo, 0);
  put_listeners(reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
  PG_RETURN_NULL();
}

}  // namespace

INFLUX_FUNCTION(influx_stat_get) {
  return show_listeners(fcinfo);
}

INFLUX_FUNCTION(influx_workers) {
  return show_listeners(fcinfo);
}
