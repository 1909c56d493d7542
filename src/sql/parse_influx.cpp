// parse_influx(): line protocol as rows, without storing them.

#include "influx/ingest/convert.h"
#include "influx/ingest/json.h"
#include "influx/line_protocol/hash.h"
#include "influx/line_protocol/parser.h"
#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/postgres/transaction.h"
#include "influx/sql/arguments.h"
#include "influx/sql/raise_refusal.h"

namespace {

using influx::ingest::JsonObject;
using influx::line_protocol::Parser;
using influx::line_protocol::Point;
using influx::postgres::text_datum;

void put_point(ReturnSetInfo* result, const Point& point, std::int64_t received_ns) {
  JsonObject tags;
  for (const auto& tag : point.tags) {
    CHECK_FOR_INTERRUPTS();
    tags.add(tag.key, tag.value);
  }
  JsonObject fields;
  for (const auto& field : point.fields) {
    CHECK_FOR_INTERRUPTS();
    fields.add(field.key, field.value);
  }
  const std::int64_t time_ns = point.timestamp.value_or(received_ns);
  Datum values[] = {text_datum(influx::postgres::from_utf8(point.measurement)),
                    TimestampTzGetDatum(influx::ingest::timestamp_of(time_ns)), tags.finish(),
                    fields.finish()};
  bool nulls[lengthof(values)] = {};
  tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

INFLUX_FUNCTION(influx_parse) {
  auto* parser = influx::postgres::make_in_context<Parser>(
      CurrentMemoryContext, influx::sql::precision_argument(fcinfo, 1),
      influx::line_protocol::process_hash_seed());
  InitMaterializedSRF(fcinfo, 0);
  auto* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
  const std::int64_t received_ns = influx::sql::statement_time_ns();
  MemoryContext row =
      AllocSetContextCreate(CurrentMemoryContext, "influx row", ALLOCSET_DEFAULT_SIZES);

  parser->poll_by(influx::postgres::check_interrupts);
  parser->reset(influx::postgres::to_utf8(influx::sql::text_argument(fcinfo, 0)));
  for (;;) {
    CHECK_FOR_INTERRUPTS();
    switch (parser->next()) {
      case Parser::Result::kEnd:
        PG_RETURN_NULL();
      case Parser::Result::kError:
        influx::sql::raise_refusal(parser->line(), parser->line_number(),
                                   influx::ingest::refusal_of(parser->error()));
      case Parser::Result::kPoint:
        influx::postgres::in_context(row, [&] { put_point(result, parser->point(), received_ns); });
        MemoryContextReset(row);
        break;
    }
  }
}
