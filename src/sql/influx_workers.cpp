// influx_workers(): the listeners of the server, and what they have counted.

#include <numeric>

#include "influx/ingest/json.h"
#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/worker/registry.h"

namespace {

using influx::ingest::kRefusalKinds;
using influx::ingest::RefusalKind;
using influx::postgres::text_datum;
using influx::worker::Counters;
using influx::worker::ListenerState;
using influx::worker::ListenerStatus;

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

/// A text that a listener has left. What it has beyond ASCII cannot be shown where its database has
/// another encoding, or where it is the name of something that all databases share.
char* readable(const char* text, int encoding) {
  char* shown = pstrdup(text);
  if (encoding == GetDatabaseEncoding() &&
      pg_verifymbstr(shown, static_cast<int>(std::strlen(shown)), true)) {
    return shown;
  }
  for (char* byte = shown; *byte != '\0'; ++byte) {
    if (IS_HIGHBIT_SET(*byte)) *byte = '?';
  }
  return shown;
}

/// One row, a value at a time, in the order of the columns. Plain data.
class Row {
 public:
  static constexpr int kColumns = 24;

  void add(Datum value) {
    Assert(count_ < kColumns);
    values_[count_++] = value;
  }
  void add_null() {
    nulls_[count_] = true;
    add(Datum{0});
  }
  void add_name(const char* name) {
    if (name == nullptr) return add_null();
    NameData data;
    namestrcpy(&data, name);
    add(NameGetDatum(static_cast<Name>(std::memcpy(palloc(sizeof(data)), &data, sizeof(data)))));
  }
  void add_count(std::uint64_t count) { add(Int64GetDatum(static_cast<int64>(count))); }
  void add_time(TimestampTz time) {
    if (time == 0) return add_null();
    add(TimestampTzGetDatum(time));
  }

  void put(ReturnSetInfo* result) {
    Assert(count_ == kColumns);
    tuplestore_putvalues(result->setResult, result->setDesc, values_, nulls_);
  }

 private:
  int count_ = 0;
  Datum values_[kColumns] = {};
  bool nulls_[kColumns] = {};
};

/// The schema as it is called now, where this database knows; else as it was at the launch.
const char* schema_of(const ListenerStatus& listener) {
  if (listener.arguments.database == MyDatabaseId) {
    const char* name = get_namespace_name(listener.arguments.namespace_oid);
    if (name != nullptr) return name;
  }
  return readable(listener.arguments.schema, listener.arguments.encoding);
}

Datum rejected_by(const Counters& counters) {
  influx::ingest::JsonObject object;
  for (std::size_t kind = 0; kind < kRefusalKinds; ++kind) {
    const std::uint64_t count = counters.rejected[kind];
    if (count == 0) continue;
    influx::line_protocol::FieldValue value;
    value.type = influx::line_protocol::ValueType::kInteger;
    value.as_integer = static_cast<std::int64_t>(count);
    object.add(influx::ingest::kind_name(static_cast<RefusalKind>(kind)), value);
  }
  return object.finish();
}

void put_listener(ReturnSetInfo* result, const ListenerStatus& listener) {
  const auto& arguments = listener.arguments;
  const Counters& counters = listener.counters;
  const auto& failure = listener.failure;
  Row row;
  if (listener.pid == 0) {
    row.add_null();
  } else {
    row.add(Int32GetDatum(listener.pid));
  }
  row.add_name(get_database_name(arguments.database));
  row.add_name(schema_of(listener));
  row.add(Int32GetDatum(arguments.port));
  row.add_name(GetUserNameFromId(arguments.role, true));
  row.add(text_datum(influx::line_protocol::name_of(arguments.precision)));
  row.add(text_datum(name_of(listener.state)));
  row.add_time(listener.started);
  row.add_count(counters.datagrams);
  row.add_count(counters.bytes);
  row.add_count(counters.lines);
  row.add_count(counters.stored);
  row.add_count(
      std::accumulate(counters.rejected.begin(), counters.rejected.end(), std::uint64_t{0}));
  row.add(rejected_by(counters));
  row.add_count(counters.waiting);
  row.add_count(counters.kernel_drops);
  row.add_count(counters.truncated);
  row.add_count(counters.filtered);
  row.add_count(counters.lost_datagrams);
  row.add_count(counters.batches);
  row.add_count(counters.retries);
  row.add(Int32GetDatum(listener.restarts));
  if (failure.time == 0) {
    row.add_null();
  } else {
    row.add(text_datum(psprintf("%s (SQLSTATE %s)", readable(failure.message, arguments.encoding),
                                unpack_sql_state(failure.sqlstate))));
  }
  row.add_time(failure.time);
  row.put(result);
}

}  // namespace

INFLUX_FUNCTION(influx_workers) {
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  for (const ListenerStatus& listener : influx::worker::listeners())
    put_listener(result, listener);
  PG_RETURN_NULL();
}
