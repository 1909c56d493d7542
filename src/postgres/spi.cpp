#include "influx/postgres/spi.h"

namespace influx::postgres {

SPIPlanPtr prepare_and_keep(const char* sql, int count, const Oid* types) {
  // SPI only reads the types.
  SPIPlanPtr plan = SPI_prepare(sql, count, const_cast<Oid*>(types));
  if (plan == nullptr) elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
  SPI_keepplan(plan);
  return plan;
}

void execute(const char* sql, int count, Oid* types, Datum* values, const char* nulls,
             int expected) {
  const int result = SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
  if (result != expected) {
    elog(ERROR, "SPI_execute_with_args failed: %s", SPI_result_code_string(result));
  }
}

std::uint64_t execute_plan(SPIPlanPtr plan, Datum* values, const char* nulls) {
  const int result = SPI_execute_plan(plan, values, nulls, false, 0);
  if (result < 0) elog(ERROR, "SPI_execute_plan failed: %s", SPI_result_code_string(result));
  return SPI_processed;
}

void connect_with(const EphemeralNamedRelationData& relation) {
  SPI_connect();
  // In the memory of the connection, and so for as long as it.
  auto* known = static_cast<EphemeralNamedRelation>(palloc(sizeof(relation)));
  *known = relation;
  const int result = SPI_register_relation(known);
  if (result < 0) {
    elog(ERROR, "SPI_register_relation failed: %s", SPI_result_code_string(result));
  }
}

}  // namespace influx::postgres
