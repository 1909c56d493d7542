-- complain if the script is sourced in psql, rather than by ALTER EXTENSION or CREATE EXTENSION
\echo Use "ALTER EXTENSION influx UPDATE TO '1.1'" to load this file. \quit

-- Listeners that survive a restart ----------------------------------------------------------------

-- Constraints are for what is always wrong. The rest is checked by the functions, and not by the table: a
-- restore brings its rows before rights are granted.
CREATE TABLE @extschema@.influx_listeners (
  name pg_catalog.name PRIMARY KEY CHECK (name OPERATOR(pg_catalog.<>) ''),
  schema pg_catalog.name NOT NULL
    CHECK (schema OPERATOR(pg_catalog.<>) '' AND schema OPERATOR(pg_catalog.!~) '^pg_'::pg_catalog.text
           AND schema OPERATOR(pg_catalog.<>) 'information_schema'),
  role pg_catalog.name NOT NULL CHECK (role OPERATOR(pg_catalog.<>) ''),
  transport pg_catalog.text NOT NULL DEFAULT 'udp' CHECK (transport OPERATOR(pg_catalog.=) 'udp'),
  address pg_catalog.text CHECK (address OPERATOR(pg_catalog.<>) ''),
  service pg_catalog.text NOT NULL CHECK (service OPERATOR(pg_catalog.<>) ''),
  "precision" pg_catalog.text NOT NULL DEFAULT 'ns'
    CHECK ("precision" OPERATOR(pg_catalog.=) ANY (ARRAY['n', 'ns', 'u', 'us', 'ms', 's', 'm', 'h', 'auto'])),
  workers integer NOT NULL DEFAULT 1 CHECK (workers OPERATOR(pg_catalog.>=) 1 AND workers OPERATOR(pg_catalog.<=) 64),
  batch_size integer CHECK (batch_size OPERATOR(pg_catalog.>=) 1 AND batch_size OPERATOR(pg_catalog.<=) 1000000),
  batch_timeout pg_catalog.text CHECK (batch_timeout OPERATOR(pg_catalog.<>) ''),
  read_buffer pg_catalog.text CHECK (read_buffer OPERATOR(pg_catalog.<>) ''),
  allowed_sources pg_catalog.text,
  enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE @extschema@.influx_listeners IS 'listeners that are started with the server';
COMMENT ON COLUMN @extschema@.influx_listeners.schema IS 'whose tables take the points';
COMMENT ON COLUMN @extschema@.influx_listeners.role IS 'as which the listener works';
COMMENT ON COLUMN @extschema@.influx_listeners.address IS 'instead of influx.listen_addresses';
COMMENT ON COLUMN @extschema@.influx_listeners.service IS 'port, or name of a service';
COMMENT ON COLUMN @extschema@.influx_listeners.workers IS 'processes that share the port';
COMMENT ON COLUMN @extschema@.influx_listeners.batch_size IS 'instead of influx.batch_size';
COMMENT ON COLUMN @extschema@.influx_listeners.batch_timeout IS 'instead of influx.batch_timeout';
COMMENT ON COLUMN @extschema@.influx_listeners.read_buffer IS 'instead of influx.read_buffer';
COMMENT ON COLUMN @extschema@.influx_listeners.allowed_sources IS 'instead of influx.allowed_sources';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.influx_listeners', '');

CREATE FUNCTION @extschema@.listener_create(
  name pg_catalog.name, schema pg_catalog.regnamespace, service pg_catalog.text, role pg_catalog.name DEFAULT NULL, address pg_catalog.text DEFAULT NULL,
  "precision" pg_catalog.text DEFAULT 'ns', workers integer DEFAULT 1, batch_size integer DEFAULT NULL,
  batch_timeout pg_catalog.text DEFAULT NULL, read_buffer pg_catalog.text DEFAULT NULL, allowed_sources pg_catalog.text DEFAULT NULL,
  enabled boolean DEFAULT true, transport pg_catalog.text DEFAULT 'udp')
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_create'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_create(pg_catalog.name, pg_catalog.regnamespace, pg_catalog.text, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text)
IS 'add a listener that is started with the server';

CREATE FUNCTION @extschema@.listener_create(
  name pg_catalog.name, schema pg_catalog.regnamespace, service integer, role pg_catalog.name DEFAULT NULL, address pg_catalog.text DEFAULT NULL,
  "precision" pg_catalog.text DEFAULT 'ns', workers integer DEFAULT 1, batch_size integer DEFAULT NULL,
  batch_timeout pg_catalog.text DEFAULT NULL, read_buffer pg_catalog.text DEFAULT NULL, allowed_sources pg_catalog.text DEFAULT NULL,
  enabled boolean DEFAULT true, transport pg_catalog.text DEFAULT 'udp')
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_create_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_create(pg_catalog.name, pg_catalog.regnamespace, integer, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text)
IS 'add a listener that is started with the server';

CREATE FUNCTION @extschema@.listener_alter(
  name pg_catalog.name, service pg_catalog.text DEFAULT NULL, schema pg_catalog.regnamespace DEFAULT NULL, role pg_catalog.name DEFAULT NULL, address pg_catalog.text DEFAULT NULL,
  "precision" pg_catalog.text DEFAULT NULL, workers integer DEFAULT NULL, batch_size integer DEFAULT NULL,
  batch_timeout pg_catalog.text DEFAULT NULL, read_buffer pg_catalog.text DEFAULT NULL, allowed_sources pg_catalog.text DEFAULT NULL,
  enabled boolean DEFAULT NULL, reset pg_catalog.text[] DEFAULT NULL)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_alter'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_alter(pg_catalog.name, pg_catalog.text, pg_catalog.regnamespace, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text[])
IS 'change a listener that is started with the server; what is NULL stays as it is';

CREATE FUNCTION @extschema@.listener_alter(
  name pg_catalog.name, service integer, schema pg_catalog.regnamespace DEFAULT NULL, role pg_catalog.name DEFAULT NULL, address pg_catalog.text DEFAULT NULL,
  "precision" pg_catalog.text DEFAULT NULL, workers integer DEFAULT NULL, batch_size integer DEFAULT NULL,
  batch_timeout pg_catalog.text DEFAULT NULL, read_buffer pg_catalog.text DEFAULT NULL, allowed_sources pg_catalog.text DEFAULT NULL,
  enabled boolean DEFAULT NULL, reset pg_catalog.text[] DEFAULT NULL)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_alter_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_alter(pg_catalog.name, integer, pg_catalog.regnamespace, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text[])
IS 'change a listener that is started with the server; what is NULL stays as it is';

CREATE FUNCTION @extschema@.listener_drop(name pg_catalog.name)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_drop'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_drop(pg_catalog.name)
IS 'remove a listener that is started with the server, and stop it';

CREATE FUNCTION @extschema@.listener_start(name pg_catalog.name)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_start'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_start(pg_catalog.name)
IS 'enable a listener: start it, now and with the server';

CREATE FUNCTION @extschema@.listener_stop(name pg_catalog.name)
RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_listener_stop'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.listener_stop(pg_catalog.name)
IS 'disable a listener: stop it, and start it no more';

CREATE FUNCTION @extschema@.influx_listeners_changed()
RETURNS pg_catalog.trigger
AS 'MODULE_PATHNAME', 'influx_listeners_changed'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.influx_listeners_changed()
IS 'trigger of influx_listeners that makes a change known to the supervisor';

CREATE TRIGGER influx_listeners_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON @extschema@.influx_listeners
FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.influx_listeners_changed();

-- A supervisor that waits for this script is woken up when it is committed.
DELETE FROM @extschema@.influx_listeners WHERE false;

-- A listener is for those who may act as its role, and for those who look after the server.
ALTER TABLE @extschema@.influx_listeners ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_of_listener ON @extschema@.influx_listeners FOR SELECT
USING (pg_catalog.pg_has_role('pg_monitor'::pg_catalog.name, 'USAGE')
       OR EXISTS (SELECT FROM pg_catalog.pg_roles
                   WHERE rolname OPERATOR(pg_catalog.=) role AND pg_catalog.pg_has_role(oid, 'USAGE')));
GRANT SELECT ON @extschema@.influx_listeners TO PUBLIC;

-- Opening ports is for those whom an administrator allows it.
REVOKE EXECUTE ON FUNCTION
  @extschema@.listener_create(pg_catalog.name, pg_catalog.regnamespace, pg_catalog.text, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text)
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  @extschema@.listener_create(pg_catalog.name, pg_catalog.regnamespace, integer, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text)
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  @extschema@.listener_alter(pg_catalog.name, pg_catalog.text, pg_catalog.regnamespace, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text[])
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  @extschema@.listener_alter(pg_catalog.name, integer, pg_catalog.regnamespace, pg_catalog.name, pg_catalog.text, pg_catalog.text, integer, integer, pg_catalog.text, pg_catalog.text, pg_catalog.text, boolean, pg_catalog.text[])
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.listener_drop(pg_catalog.name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.listener_start(pg_catalog.name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.listener_stop(pg_catalog.name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.influx_listeners_changed() FROM PUBLIC;

-- In view -----------------------------------------------------------------------------------------

-- What was one function is a view now, as the server's own statistics are.
DROP FUNCTION @extschema@.influx_workers();

CREATE FUNCTION @extschema@.pg_stat_get_influx(
  OUT pid integer, OUT listener pg_catalog.name, OUT database pg_catalog.name, OUT schema pg_catalog.name, OUT role pg_catalog.name, OUT transport pg_catalog.text,
  OUT addresses pg_catalog.text[], OUT port integer, OUT "precision" pg_catalog.text, OUT state pg_catalog.text, OUT started pg_catalog.timestamptz,
  OUT restarts integer, OUT read_buffer bigint, OUT datagrams bigint, OUT bytes bigint, OUT lines bigint,
  OUT stored bigint, OUT duplicates bigint, OUT rejected bigint, OUT rejected_by pg_catalog.jsonb, OUT waiting bigint, OUT kernel_drops bigint,
  OUT truncated bigint, OUT filtered bigint, OUT lost_datagrams bigint, OUT batches bigint, OUT retries bigint,
  OUT batch_rows_p50 bigint, OUT batch_rows_p99 bigint, OUT commit_ms_p50 double precision,
  OUT commit_ms_p99 double precision, OUT last_datagram pg_catalog.timestamptz, OUT newest_time pg_catalog.timestamptz,
  OUT last_error pg_catalog.text, OUT last_error_sqlstate pg_catalog.text, OUT last_error_time pg_catalog.timestamptz, OUT stats_reset pg_catalog.timestamptz)
RETURNS SETOF pg_catalog.record
AS 'MODULE_PATHNAME', 'influx_stat_get'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION @extschema@.pg_stat_get_influx() IS 'what the view pg_stat_influx shows';

CREATE VIEW @extschema@.pg_stat_influx AS
SELECT pid, listener, database, schema, role, transport, addresses, port, "precision", state, started, restarts,
       read_buffer, datagrams, bytes, lines, stored, duplicates, rejected, rejected_by, waiting, kernel_drops, truncated,
       filtered, lost_datagrams, batches, retries, batch_rows_p50, batch_rows_p99, commit_ms_p50, commit_ms_p99,
       last_datagram, newest_time, pg_catalog.now() OPERATOR(pg_catalog.-) newest_time AS lag, last_error,
       last_error_sqlstate, last_error_time, stats_reset
  FROM @extschema@.pg_stat_get_influx();
COMMENT ON VIEW @extschema@.pg_stat_influx IS 'the listener processes of the server, and what they have counted';

-- It shows listeners of all databases.
REVOKE EXECUTE ON FUNCTION @extschema@.pg_stat_get_influx() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.pg_stat_get_influx() TO pg_monitor;
GRANT SELECT ON @extschema@.pg_stat_influx TO pg_monitor;

CREATE FUNCTION @extschema@.pg_stat_get_influx_tables(
  OUT relid pg_catalog.oid, OUT points bigint, OUT rejects bigint, OUT columns_added bigint, OUT last_insert pg_catalog.timestamptz)
RETURNS SETOF pg_catalog.record
AS 'MODULE_PATHNAME', 'influx_stat_get_tables'
LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION @extschema@.pg_stat_get_influx_tables() IS 'what the view pg_stat_influx_tables shows, but for names';

CREATE VIEW @extschema@.pg_stat_influx_tables AS
SELECT relid, nspname AS schema, relname AS table_name, points, rejects, columns_added, last_insert
  FROM @extschema@.pg_stat_get_influx_tables()
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) relid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) relnamespace;
COMMENT ON VIEW @extschema@.pg_stat_influx_tables IS 'what was stored in and refused for each table of this database';
GRANT SELECT ON @extschema@.pg_stat_influx_tables TO PUBLIC;

CREATE FUNCTION @extschema@.pg_stat_influx_reset() RETURNS pg_catalog.void
AS 'MODULE_PATHNAME', 'influx_stat_reset'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.pg_stat_influx_reset()
IS 'set what is counted for the listeners and tables of this database to zero';
REVOKE EXECUTE ON FUNCTION @extschema@.pg_stat_influx_reset() FROM PUBLIC;
