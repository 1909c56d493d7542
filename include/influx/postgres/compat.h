#pragma once

// Differences between the server versions 15 to 18. Every version test of the project is in this
// pair of files; a function here has the form that the newest server gives it.

#include "influx/postgres/server.h"

namespace influx::postgres {

/// Registers the name of the wait event that a listener shows while it waits. Servers before 17
/// show the event `Extension`.
uint32 listener_wait_event();
/// The same for a supervisor.
uint32 supervisor_wait_event();

/// A wait event set that lives as long as the process.
WaitEventSet* create_wait_event_set(int events);

/// Lets the transactions of this process take their time, whatever `transaction_timeout` is set to
/// for the server, the database or the role: beyond it the server ends the process. Servers before
/// 17 have no such setting. Called before the process connects.
void ignore_transaction_timeout();

/// Whether `role` has right `mode` on schema `namespace_oid`.
bool has_schema_privilege(Oid namespace_oid, Oid role, AclMode mode);

/// Whether `member` may SET ROLE to `role`.
bool may_become(Oid member, Oid role);

/// Calls the input function of a type. False, with the report of the error in `error`, where it
/// does not take `text`; servers before 16 need a subtransaction for that, and get one. REQUIRES: a
/// transaction. May raise errors that are not about the text.
bool input_value(FmgrInfo* function, char* text, Oid io_parameter, int32 type_modifier,
                 Datum* value, ErrorData** error);

/// Forms a tuple of `values` in the current memory context.
MinimalTuple form_minimal_tuple(TupleDesc descriptor, const Datum* values, const bool* nulls);

/// The memory called `name` that all processes of the server share, of `size` bytes. Who asks for
/// it first makes it, and `initialise` is called for it before anybody else sees it. It lasts until
/// the server ends or has to reset its memory after a crash. Called once in a process for a name:
/// the address holds until the process ends. Needs no transaction and no preloaded library. Raises
/// where there is no memory.
void* named_segment(const char* name, std::size_t size, void (*initialise)(void* memory));

/// Whether `found` is true for something in a query, as query_tree_walker() and
/// expression_tree_walker() go through it: of `node` itself, which is no query, or of a query.
bool any_in_expression(Node* node, bool (*found)(Node*, void*), void* context);
bool any_in_query(Query* query, bool (*found)(Node*, void*), void* context);

/// Publishes what this process has counted for the cumulative statistics.
void report_statistics(bool force);

}  // namespace influx::postgres

/// Marks the shared library as a module of the server, of version `VERSION_TEXT`. Used once.
#if PG_VERSION_NUM >= 180000
#define INFLUX_MODULE(VERSION_TEXT)                               \
  extern "C" {                                                    \
  PG_MODULE_MAGIC_EXT(.name = "influx", .version = VERSION_TEXT); \
  }                                                               \
  static_assert(true)
#else
#define INFLUX_MODULE(VERSION_TEXT) \
  extern "C" {                      \
  PG_MODULE_MAGIC;                  \
  }                                 \
  static_assert(true)
#endif
