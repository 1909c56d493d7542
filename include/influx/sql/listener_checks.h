#pragma once

#include "influx/sql/listener_definition.h"

namespace influx::sql {

// What listener_create() and the like refuse: what cannot work, and what the caller may not. All of
// these raise it, or throw postgres::Error.

/// Whether the current user may act as the role of a listener that is there, and so change it.
void check_may_change(const ListenerDefinition& listener);

/// All that can be told of a definition alone: role, schema, precision, settings, addresses, port.
/// `before` is what it was, or nullptr: overrides of settings that only an administrator may set
/// are refused where they are new.
void check_definition(const ListenerDefinition& listener, const ListenerDefinition* before);

/// What can be told beside the other listeners of the database, where it is enabled: the number of
/// processes, and that each address and port is of one listener.
void check_beside(const ListenerDefinition& listener, std::span<const ListenerDefinition> others);

}  // namespace influx::sql
