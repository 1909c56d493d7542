#include "influx/sql/listener_definition.h"

#include "influx/postgres/text.h"
#include "influx/sql/arguments.h"

namespace influx::sql {

namespace {

using enum ListenerColumn;

/// Arguments of listener_create() and listener_alter(), which have most of them in common.
enum Argument : int {
  kNameArgument,
  kCreateSchema,
  kCreateService,
  kAlterService = 1,
  kAlterSchema,
  kRoleArgument,
  kAddressArgument,
  kPrecisionArgument,
  kWorkersArgument,
  kBatchSizeArgument,
  kBatchTimeoutArgument,
  kReadBufferArgument,
  kAllowedSourcesArgument,
  kEnabledArgument,
  kTransportArgument,
  kResetArgument = kTransportArgument,
};

/// The arguments of the columns that take the place of a setting, in the order of kOverrideColumns.
constexpr Argument kOverrideArguments[] = {kAddressArgument, kBatchSizeArgument,
                                           kBatchTimeoutArgument, kReadBufferArgument,
                                           kAllowedSourcesArgument};
static_assert(lengthof(kOverrideArguments) == lengthof(kOverrideColumns));

Datum name_datum(const char* name) {
  return DirectFunctionCall1(namein, CStringGetDatum(name));
}

Datum schema_argument(FunctionCallInfo fcinfo, int index) {
  return name_datum(existing_schema(PG_GETARG_OID(index)));
}

/// The arguments that both functions have, as far as they are given. The service is taken as it is.
void take_common(FunctionCallInfo fcinfo, ListenerDefinition* definition) {
  constexpr struct {
    ListenerColumn column;
    Argument argument;
  } kTaken[] = {{kRole, kRoleArgument}, {kWorkers, kWorkersArgument}, {kEnabled, kEnabledArgument}};
  for (const auto& taken : kTaken) {
    if (!PG_ARGISNULL(taken.argument)) {
      definition->set(taken.column, PG_GETARG_DATUM(taken.argument));
    }
  }
  for (std::size_t i = 0; i < lengthof(kOverrideColumns); ++i) {
    const Argument argument = kOverrideArguments[i];
    if (!PG_ARGISNULL(argument)) definition->set(kOverrideColumns[i], PG_GETARG_DATUM(argument));
  }
  if (!PG_ARGISNULL(kPrecisionArgument)) {
    const auto precision = precision_argument(fcinfo, kPrecisionArgument);
    definition->set(kPrecision, postgres::text_datum(line_protocol::name_of(precision)));
  }
}

void take_service(FunctionCallInfo fcinfo, int index, bool is_integer,
                  ListenerDefinition* definition) {
  definition->set(kService, postgres::text_datum(service_argument(fcinfo, index, is_integer)));
}

/// The index of the override of that name, or how many there are.
std::size_t find_override(std::string_view name) noexcept {
  std::size_t index = 0;
  while (index < lengthof(worker::kOverrides) && name != worker::kOverrides[index].column)
    ++index;
  return index;
}

/// Takes back the overrides that the argument `reset` names.
void reset_overrides(FunctionCallInfo fcinfo, ListenerDefinition* definition) {
  Datum* elements = nullptr;
  bool* nulls = nullptr;
  int count = 0;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(kResetArgument), TEXTOID, -1, false, TYPALIGN_INT,
                    &elements, &nulls, &count);
  for (int i = 0; i < count; ++i) {
    if (nulls[i]) {
      ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                      errmsg("an element of reset must not be null")));
    }
    const char* name = TextDatumGetCString(elements[i]);
    const std::size_t found = find_override(name);
    if (found == lengthof(kOverrideColumns)) {
      ereport(ERROR,
              (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" cannot be reset", name),
               errhint("Use address, batch_size, batch_timeout, read_buffer or "
                       "allowed_sources.")));
    }
    if (!PG_ARGISNULL(kOverrideArguments[found])) {
      ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                      errmsg("%s is given a value, and to be reset", name)));
    }
    definition->set_null(kOverrideColumns[found]);
  }
}

}  // namespace

void ListenerDefinition::set(ListenerColumn column, Datum value) noexcept {
  values_[index(column)] = value;
  nulls_[index(column)] = false;
}

const char* ListenerDefinition::name(ListenerColumn column) const {
  return pstrdup(NameStr(*DatumGetName(value(column))));
}

const char* ListenerDefinition::string(ListenerColumn column) const {
  if (is_null(column)) return nullptr;
  if (column == kBatchSize) return psprintf("%d", integer(column));
  return TextDatumGetCString(value(column));
}

ListenerDefinition definition_of_arguments(FunctionCallInfo fcinfo, bool service_is_integer) {
  constexpr struct {
    Argument argument;
    const char* name;
  } kRequired[] = {{kNameArgument, "name"},          {kCreateSchema, "schema"},
                   {kCreateService, "service"},      {kPrecisionArgument, "precision"},
                   {kWorkersArgument, "workers"},    {kEnabledArgument, "enabled"},
                   {kTransportArgument, "transport"}};
  for (const auto& required : kRequired)
    require_argument(fcinfo, required.argument, required.name);

  ListenerDefinition definition;
  definition.set(kName, PG_GETARG_DATUM(kNameArgument));
  definition.set(kSchema, schema_argument(fcinfo, kCreateSchema));
  definition.set(kTransport, PG_GETARG_DATUM(kTransportArgument));
  definition.set(kRole, name_datum(GetUserNameFromId(GetUserId(), false)));
  take_service(fcinfo, kCreateService, service_is_integer, &definition);
  take_common(fcinfo, &definition);
  return definition;
}

void alter_definition(FunctionCallInfo fcinfo, bool service_is_integer,
                      ListenerDefinition* definition) {
  if (!PG_ARGISNULL(kAlterSchema)) {
    definition->set(kSchema, schema_argument(fcinfo, kAlterSchema));
  }
  if (!PG_ARGISNULL(kAlterService)) {
    take_service(fcinfo, kAlterService, service_is_integer, definition);
  }
  take_common(fcinfo, definition);
  if (!PG_ARGISNULL(kResetArgument)) reset_overrides(fcinfo, definition);
}

}  // namespace influx::sql
