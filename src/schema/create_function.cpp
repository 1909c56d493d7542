#include "influx/schema/create_function.h"

#include "influx/postgres/text.h"

namespace influx::schema {

namespace {

/// The source of the extension's own function of this name.
constexpr const char* kOwnSource = "influx_create";

Oid owner_of_schema(Oid namespace_oid) {
  HeapTuple schema = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(namespace_oid));
  if (!HeapTupleIsValid(schema)) return InvalidOid;
  const Oid owner = reinterpret_cast<Form_pg_namespace>(GETSTRUCT(schema))->nspowner;
  ReleaseSysCache(schema);
  return owner;
}

}  // namespace

CreateFunction find_create_function(Oid namespace_oid) {
  Oid types[] = {NAMEOID, NAMEARRAYOID, NAMEARRAYOID};
  oidvector* arguments = buildoidvector(types, lengthof(types));
  HeapTuple function = SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum("_create"),
                                       PointerGetDatum(arguments), ObjectIdGetDatum(namespace_oid));
  if (!HeapTupleIsValid(function)) return {};

  // What the extension's own does is done by Extender::create_table(), which knows the types of the
  // fields; the function's arguments cannot tell them.
  const auto* form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(function));
  bool ours = false;
  if (form->prolang == ClanguageId) {
    bool is_null = false;
    const Datum source = SysCacheGetAttr(PROCNAMEARGSNSP, function, Anum_pg_proc_prosrc, &is_null);
    ours = !is_null && std::strcmp(TextDatumGetCString(source), kOwnSource) == 0;
  }
  const CreateFunction found = ours ? CreateFunction{} : CreateFunction{form->oid, form->proowner};
  ReleaseSysCache(function);
  return found;
}

bool is_trusted(const CreateFunction& function, Oid namespace_oid, Objection* objection) {
  if (has_privs_of_role(function.owner, GetUserId())) return true;
  const Oid schema_owner = owner_of_schema(namespace_oid);
  if (schema_owner != InvalidOid && has_privs_of_role(function.owner, schema_owner)) return true;

  const char* owner = GetUserNameFromId(function.owner, true);
  objection->sqlstate = ERRCODE_INSUFFICIENT_PRIVILEGE;
  objection->message = psprintf("function %s._create is not run: its owner is not trusted",
                                quote_identifier(postgres::schema_name(namespace_oid)));
  objection->detail = psprintf(
      "It would run as role \"%s\", and belongs to role \"%s\", which has neither that "
      "role's rights nor those of the schema's owner.",
      GetUserNameFromId(GetUserId(), false), owner == nullptr ? "?" : owner);
  objection->hint = "Drop the function, or change its owner.";
  return false;
}

}  // namespace influx::schema
