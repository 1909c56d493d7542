#include "influx/postgres/compat.h"

#include "influx/postgres/transaction.h"

extern "C" {
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
}

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 190000
#error "influx supports PostgreSQL 15 to 18"
#endif

namespace influx::postgres {

namespace {

/// The wait event of a name, which is kept in `event` for this process; at first that is 0.
uint32 wait_event([[maybe_unused]] const char* name, uint32& event) {
#if PG_VERSION_NUM >= 170000
  if (event == 0) event = WaitEventExtensionNew(name);
#else
  event = PG_WAIT_EXTENSION;
#endif
  return event;
}

}  // namespace

uint32 listener_wait_event() {
  static uint32 event = 0;
  return wait_event("InfluxListener", event);
}

uint32 supervisor_wait_event() {
  static uint32 event = 0;
  return wait_event("InfluxSupervisor", event);
}

WaitEventSet* create_wait_event_set(int events) {
#if PG_VERSION_NUM >= 170000
  return CreateWaitEventSet(nullptr, events);
#else
  return CreateWaitEventSet(TopMemoryContext, events);
#endif
}

void ignore_transaction_timeout() {
#if PG_VERSION_NUM >= 170000
  SetConfigOption("transaction_timeout", "0", PGC_USERSET, PGC_S_OVERRIDE);
#endif
}

bool has_schema_privilege(Oid namespace_oid, Oid role, AclMode mode) {
#if PG_VERSION_NUM >= 160000
  return object_aclcheck(NamespaceRelationId, namespace_oid, role, mode) == ACLCHECK_OK;
#else
  return pg_namespace_aclcheck(namespace_oid, role, mode) == ACLCHECK_OK;
#endif
}

bool may_become(Oid member, Oid role) {
#if PG_VERSION_NUM >= 160000
  return member_can_set_role(member, role);
#else
  return is_member_of_role(member, role);
#endif
}

bool input_value(FmgrInfo* function, char* text, Oid io_parameter, int32 type_modifier,
                 Datum* value, ErrorData** error) {
#if PG_VERSION_NUM >= 160000
  ErrorSaveContext soft{};
  soft.type = T_ErrorSaveContext;
  soft.details_wanted = true;
  if (InputFunctionCallSafe(function, text, io_parameter, type_modifier,
                            reinterpret_cast<Node*>(&soft), value)) {
    return true;
  }
  *error = soft.error_data;
  return false;
#else
  *error = in_subtransaction(
      [&] { *value = InputFunctionCall(function, text, io_parameter, type_modifier); });
  // A function of the user may take its time. What ends it is not about the text.
  if (*error != nullptr && is_interrupt((*error)->sqlerrcode)) ReThrowError(*error);
  return *error == nullptr;
#endif
}

MinimalTuple form_minimal_tuple(TupleDesc descriptor, const Datum* values, const bool* nulls) {
#if PG_VERSION_NUM >= 180000
  return heap_form_minimal_tuple(descriptor, values, nulls, 0);
#else
  return heap_form_minimal_tuple(descriptor, const_cast<Datum*>(values), const_cast<bool*>(nulls));
#endif
}

void* named_segment(const char* name, std::size_t size, void (*initialise)(void* memory)) {
#if PG_VERSION_NUM >= 170000
  bool found = false;
  return GetNamedDSMSegment(name, size, initialise, &found);
#else
  // The main segment has room for small things without being asked when the server starts: there
  // the name leads to a segment of its own.
  LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
  bool found = false;
  auto* handle = static_cast<dsm_handle*>(ShmemInitStruct(name, sizeof(dsm_handle), &found));
  if (!found) *handle = DSM_HANDLE_INVALID;
  dsm_segment* segment = nullptr;
  if (*handle == DSM_HANDLE_INVALID) {
    segment = dsm_create(size, 0);
    dsm_pin_segment(segment);
    initialise(dsm_segment_address(segment));
    *handle = dsm_segment_handle(segment);
  } else {
    segment = dsm_attach(*handle);
    if (segment == nullptr) {
      ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR),
                      errmsg("could not attach to shared memory \"%s\"", name)));
    }
  }
  dsm_pin_mapping(segment);
  LWLockRelease(AddinShmemInitLock);
  return dsm_segment_address(segment);
#endif
}

#if PG_VERSION_NUM >= 160000
bool any_in_expression(Node* node, bool (*found)(Node*, void*), void* context) {
  return expression_tree_walker(node, found, context);
}

bool any_in_query(Query* query, bool (*found)(Node*, void*), void* context) {
  return query_tree_walker(query, found, context, 0);
}
#else
namespace {

/// The walkers are declared without parameters, as C lets one do.
bool (*undeclared(bool (*found)(Node*, void*)))() {
  return reinterpret_cast<bool (*)()>(reinterpret_cast<void (*)()>(found));
}

}  // namespace

bool any_in_expression(Node* node, bool (*found)(Node*, void*), void* context) {
  return expression_tree_walker(node, undeclared(found), context);
}

bool any_in_query(Query* query, bool (*found)(Node*, void*), void* context) {
  return query_tree_walker(query, undeclared(found), context, 0);
}
#endif

void report_statistics(bool force) {
  pgstat_report_stat(force);
}

}  // namespace influx::postgres
