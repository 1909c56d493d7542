-- complain if the script is sourced in psql, rather than by ALTER EXTENSION or CREATE EXTENSION
\echo Use "ALTER EXTENSION influx UPDATE TO '1.2'" to load this file. \quit

-- Every operator, function, type and cast of this file is qualified: the schema of the extension may belong to
-- somebody who is not to be trusted with the rights of who runs it. scripts/check sql refuses others.

-- What the owner of a table of the extension, or of a child of it, lets run where rows are looked at or written anew
-- (a check, a cast) runs as the owner, and not as who updates.
CREATE FUNCTION @extschema@.influx_run_as_owner(relation pg_catalog.regclass, statement pg_catalog.text)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_run_as_owner'
LANGUAGE C VOLATILE STRICT;

-- Before anything else reads or writes the table: the constraint of 1.1 may hold an operator that somebody else made
-- in the schema of the extension.
SELECT @extschema@.influx_run_as_owner('@extschema@.influx_listeners'::pg_catalog.regclass, $statement$
ALTER TABLE @extschema@.influx_listeners
  DROP CONSTRAINT IF EXISTS influx_listeners_name_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_schema_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_role_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_transport_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_address_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_service_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_precision_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_workers_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_batch_size_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_batch_timeout_check,
  DROP CONSTRAINT IF EXISTS influx_listeners_read_buffer_check,
  ADD CONSTRAINT influx_listeners_name_check CHECK (name OPERATOR(pg_catalog.<>) ''),
  ADD CONSTRAINT influx_listeners_schema_check
    CHECK (schema OPERATOR(pg_catalog.<>) '' AND schema OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text
           AND schema OPERATOR(pg_catalog.<>) 'information_schema'),
  ADD CONSTRAINT influx_listeners_role_check CHECK (role OPERATOR(pg_catalog.<>) ''),
  ADD CONSTRAINT influx_listeners_transport_check CHECK (transport OPERATOR(pg_catalog.=) 'udp'),
  ADD CONSTRAINT influx_listeners_address_check CHECK (address OPERATOR(pg_catalog.<>) ''),
  ADD CONSTRAINT influx_listeners_service_check CHECK (service OPERATOR(pg_catalog.<>) ''),
  ADD CONSTRAINT influx_listeners_precision_check
    CHECK ("precision" OPERATOR(pg_catalog.=) ANY (ARRAY['n', 'ns', 'u', 'us', 'ms', 's', 'm', 'h', 'auto'])),
  ADD CONSTRAINT influx_listeners_workers_check
    CHECK (workers OPERATOR(pg_catalog.>=) 1 AND workers OPERATOR(pg_catalog.<=) 64),
  ADD CONSTRAINT influx_listeners_batch_size_check
    CHECK (batch_size OPERATOR(pg_catalog.>=) 1 AND batch_size OPERATOR(pg_catalog.<=) 1000000),
  ADD CONSTRAINT influx_listeners_batch_timeout_check CHECK (batch_timeout OPERATOR(pg_catalog.<>) ''),
  ADD CONSTRAINT influx_listeners_read_buffer_check CHECK (read_buffer OPERATOR(pg_catalog.<>) '')
$statement$::pg_catalog.text);

-- Who may see refused lines -----------------------------------------------------------------------

-- A role of the same name as one that was dropped is another role. What is there already is taken to be of the
-- role that has the name now. An UPDATE would run triggers.
SELECT @extschema@.influx_run_as_owner('@extschema@.influx_rejects'::pg_catalog.regclass, $statement$
ALTER TABLE @extschema@.influx_rejects ADD COLUMN role_oid pg_catalog.oid
$statement$::pg_catalog.text);
SELECT @extschema@.influx_run_as_owner('@extschema@.influx_rejects'::pg_catalog.regclass, $statement$
ALTER TABLE @extschema@.influx_rejects ALTER COLUMN role_oid TYPE pg_catalog.oid
USING pg_catalog.to_regrole(pg_catalog.quote_ident(role::pg_catalog.text))::pg_catalog.oid
$statement$::pg_catalog.text);
DROP FUNCTION @extschema@.influx_run_as_owner(pg_catalog.regclass, pg_catalog.text);
COMMENT ON COLUMN @extschema@.influx_rejects.role_oid IS 'its OID: the row is of this role, as long as it has that name';

DROP POLICY members_of_listener ON @extschema@.influx_rejects;
CREATE POLICY members_of_listener ON @extschema@.influx_rejects FOR SELECT
USING (EXISTS (SELECT FROM pg_catalog.pg_roles AS r
                WHERE r.oid OPERATOR(pg_catalog.=) role_oid AND r.rolname OPERATOR(pg_catalog.=) role
                  AND pg_catalog.pg_has_role(r.oid, 'USAGE'::pg_catalog.text)));

-- In view -----------------------------------------------------------------------------------------

DROP VIEW @extschema@.pg_stat_influx;
DROP FUNCTION @extschema@.pg_stat_get_influx();

CREATE FUNCTION @extschema@.pg_stat_get_influx(
  OUT pid pg_catalog.int4, OUT listener pg_catalog.name, OUT database pg_catalog.name, OUT schema pg_catalog.name,
  OUT role pg_catalog.name, OUT transport pg_catalog.text, OUT addresses pg_catalog.text[], OUT port pg_catalog.int4,
  OUT "precision" pg_catalog.text, OUT state pg_catalog.text, OUT started pg_catalog.timestamptz,
  OUT restarts pg_catalog.int4, OUT read_buffer pg_catalog.int8, OUT datagrams pg_catalog.int8,
  OUT bytes pg_catalog.int8, OUT lines pg_catalog.int8, OUT stored pg_catalog.int8, OUT duplicates pg_catalog.int8,
  OUT rejected pg_catalog.int8, OUT rejected_by pg_catalog.jsonb, OUT waiting pg_catalog.int8,
  OUT lost_lines pg_catalog.int8, OUT kernel_drops pg_catalog.int8, OUT truncated pg_catalog.int8,
  OUT filtered pg_catalog.int8, OUT lost_datagrams pg_catalog.int8, OUT batches pg_catalog.int8,
  OUT retries pg_catalog.int8, OUT batch_rows_p50 pg_catalog.int8, OUT batch_rows_p99 pg_catalog.int8,
  OUT commit_ms_p50 pg_catalog.float8, OUT commit_ms_p99 pg_catalog.float8,
  OUT last_datagram pg_catalog.timestamptz, OUT newest_time pg_catalog.timestamptz, OUT last_error pg_catalog.text,
  OUT last_error_sqlstate pg_catalog.text, OUT last_error_time pg_catalog.timestamptz,
  OUT stats_reset pg_catalog.timestamptz)
RETURNS SETOF pg_catalog.record
AS 'MODULE_PATHNAME', 'influx_stat_get'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION @extschema@.pg_stat_get_influx() IS 'what the view pg_stat_influx shows';

CREATE VIEW @extschema@.pg_stat_influx AS
SELECT pid, listener, database, schema, role, transport, addresses, port, "precision", state, started, restarts,
       read_buffer, datagrams, bytes, lines, stored, duplicates, rejected, rejected_by, waiting, lost_lines,
       kernel_drops, truncated, filtered, lost_datagrams, batches, retries, batch_rows_p50, batch_rows_p99,
       commit_ms_p50, commit_ms_p99, last_datagram, newest_time,
       pg_catalog.now() OPERATOR(pg_catalog.-) newest_time AS lag, last_error, last_error_sqlstate, last_error_time,
       stats_reset
  FROM @extschema@.pg_stat_get_influx();
COMMENT ON VIEW @extschema@.pg_stat_influx IS 'the listener processes of the server, and what they have counted';

-- It shows listeners of all databases.
REVOKE EXECUTE ON FUNCTION @extschema@.pg_stat_get_influx() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.pg_stat_get_influx() TO pg_monitor;
GRANT SELECT ON @extschema@.pg_stat_influx TO pg_monitor;

-- Refused lines -----------------------------------------------------------------------------------

-- They are what strangers have sent: in a dump only where whoever makes it says so.
SELECT pg_catalog.pg_extension_config_dump('@extschema@.influx_rejects',
  'WHERE pg_catalog.current_setting(''influx.dump_rejects'', true) OPERATOR(pg_catalog.=) ''on''');
