// _create(): the extension's own function that makes the table of a measurement.

#include "influx/postgres/catalog.h"
#include "influx/postgres/error.h"
#include "influx/postgres/text.h"
#include "influx/schema/extension.h"
#include "influx/sql/arguments.h"

namespace {

using influx::line_protocol::ValueType;
using influx::schema::ColumnRole;
using influx::schema::Extension;

void add_names(Extension* extension, ArrayType* names, ColumnRole role) {
  Datum* elements = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  deconstruct_array(names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elements, &nulls, &count);
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("names must not be null")));
    }
    const char* name = NameStr(*DatumGetName(elements[i]));
    // The types of the values are not known here. Most fields are floats; a listener, which knows,
    // gives each column the type of its first value.
    extension->add(influx::postgres::to_utf8(name), role, ValueType::kFloat);
  }
}

}  // namespace

INFLUX_FUNCTION(influx_create) {
  const Oid namespace_oid = get_func_namespace(fcinfo->flinfo->fn_oid);
  auto* extension = influx::postgres::make_in_context<Extension>(CurrentMemoryContext);
  const char* metric = NameStr(*PG_GETARG_NAME(0));
  extension->measurement = influx::postgres::to_utf8(metric);
  extension->create = true;
  if (extension->measurement.empty()) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_NAME), errmsg("the name of a metric must not be empty")));
  }
  add_names(extension, PG_GETARG_ARRAYTYPE_P(1), ColumnRole::kTag);
  add_names(extension, PG_GETARG_ARRAYTYPE_P(2), ColumnRole::kField);

  SPI_connect();
  influx::schema::Extender(namespace_oid).create_table(*extension);
  SPI_finish();
  PG_RETURN_OID(influx::postgres::find_relation(metric, namespace_oid));
}
