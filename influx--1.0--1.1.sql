-- complain if the script is sourced in psql, rather than by ALTER EXTENSION or CREATE EXTENSION
\echo Use "ALTER EXTENSION influx UPDATE TO '1.1'" to load this file. \quit

-- Listeners that survive a restart ----------------------------------------------------------------

-- Constraints are for what is always wrong. The rest is checked by the functions, and not by the table: a
-- restore brings its rows before rights are granted.
CREATE TABLE influx_listeners (
  name name PRIMARY KEY CHECK (name <> ''),
  schema name NOT NULL CHECK (schema <> '' AND schema !~ '^pg_' AND schema <> 'information_schema'),
  role name NOT NULL CHECK (role <> ''),
  transport text NOT NULL DEFAULT 'udp' CHECK (transport = 'udp'),
  address text CHECK (address <> ''),
  service text NOT NULL CHECK (service <> ''),
  "precision" text NOT NULL DEFAULT 'ns'
    CHECK ("precision" IN ('n', 'ns', 'u', 'us', 'ms', 's', 'm', 'h', 'auto')),
  workers integer NOT NULL DEFAULT 1 CHECK (workers BETWEEN 1 AND 64),
  batch_size integer CHECK (batch_size BETWEEN 1 AND 1000000),
  batch_timeout text CHECK (batch_timeout <> ''),
  read_buffer text CHECK (read_buffer <> ''),
  allowed_sources text,
  enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE influx_listeners IS 'listeners that are started with the server';
COMMENT ON COLUMN influx_listeners.schema IS 'whose tables take the points';
COMMENT ON COLUMN influx_listeners.role IS 'as which the listener works';
COMMENT ON COLUMN influx_listeners.address IS 'instead of influx.listen_addresses';
COMMENT ON COLUMN influx_listeners.service IS 'port, or name of a service';
COMMENT ON COLUMN influx_listeners.workers IS 'processes that share the port';
COMMENT ON COLUMN influx_listeners.batch_size IS 'instead of influx.batch_size';
COMMENT ON COLUMN influx_listeners.batch_timeout IS 'instead of influx.batch_timeout';
COMMENT ON COLUMN influx_listeners.read_buffer IS 'instead of influx.read_buffer';
COMMENT ON COLUMN influx_listeners.allowed_sources IS 'instead of influx.allowed_sources';
SELECT pg_catalog.pg_extension_config_dump('influx_listeners', '');

CREATE FUNCTION listener_create(
  name name, schema regnamespace, service text, role name DEFAULT NULL, address text DEFAULT NULL,
  "precision" text DEFAULT 'ns', workers integer DEFAULT 1, batch_size integer DEFAULT NULL,
  batch_timeout text DEFAULT NULL, read_buffer text DEFAULT NULL, allowed_sources text DEFAULT NULL,
  enabled boolean DEFAULT true, transport text DEFAULT 'udp')
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_create'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_create(name, regnamespace, text, name, text, text, integer, integer, text, text, text, boolean, text)
IS 'add a listener that is started with the server';

CREATE FUNCTION listener_create(
  name name, schema regnamespace, service integer, role name DEFAULT NULL, address text DEFAULT NULL,
  "precision" text DEFAULT 'ns', workers integer DEFAULT 1, batch_size integer DEFAULT NULL,
  batch_timeout text DEFAULT NULL, read_buffer text DEFAULT NULL, allowed_sources text DEFAULT NULL,
  enabled boolean DEFAULT true, transport text DEFAULT 'udp')
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_create_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_create(name, regnamespace, integer, name, text, text, integer, integer, text, text, text, boolean, text)
IS 'add a listener that is started with the server';

CREATE FUNCTION listener_alter(
  name name, service text DEFAULT NULL, schema regnamespace DEFAULT NULL, role name DEFAULT NULL, address text DEFAULT NULL,
  "precision" text DEFAULT NULL, workers integer DEFAULT NULL, batch_size integer DEFAULT NULL,
  batch_timeout text DEFAULT NULL, read_buffer text DEFAULT NULL, allowed_sources text DEFAULT NULL,
  enabled boolean DEFAULT NULL, reset text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_alter'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_alter(name, text, regnamespace, name, text, text, integer, integer, text, text, text, boolean, text[])
IS 'change a listener that is started with the server; what is NULL stays as it is';

CREATE FUNCTION listener_alter(
  name name, service integer, schema regnamespace DEFAULT NULL, role name DEFAULT NULL, address text DEFAULT NULL,
  "precision" text DEFAULT NULL, workers integer DEFAULT NULL, batch_size integer DEFAULT NULL,
  batch_timeout text DEFAULT NULL, read_buffer text DEFAULT NULL, allowed_sources text DEFAULT NULL,
  enabled boolean DEFAULT NULL, reset text[] DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_alter_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_alter(name, integer, regnamespace, name, text, text, integer, integer, text, text, text, boolean, text[])
IS 'change a listener that is started with the server; what is NULL stays as it is';

CREATE FUNCTION listener_drop(name name)
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_drop'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_drop(name)
IS 'remove a listener that is started with the server, and stop it';

CREATE FUNCTION listener_start(name name)
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_start'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_start(name)
IS 'enable a listener: start it, now and with the server';

CREATE FUNCTION listener_stop(name name)
RETURNS void
AS 'MODULE_PATHNAME', 'influx_listener_stop'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION listener_stop(name)
IS 'disable a listener: stop it, and start it no more';

CREATE FUNCTION influx_listeners_changed()
RETURNS trigger
AS 'MODULE_PATHNAME', 'influx_listeners_changed'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION influx_listeners_changed()
IS 'trigger of influx_listeners that makes a change known to the supervisor';

CREATE TRIGGER influx_listeners_changed
AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON influx_listeners
FOR EACH STATEMENT EXECUTE FUNCTION influx_listeners_changed();

-- A supervisor that waits for this script is woken up when it is committed.
DELETE FROM influx_listeners WHERE false;

-- A listener is for those who may act as its role, and for those who look after the server.
ALTER TABLE influx_listeners ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_of_listener ON influx_listeners FOR SELECT
USING (pg_catalog.pg_has_role('pg_monitor'::pg_catalog.name, 'USAGE')
       OR EXISTS (SELECT FROM pg_catalog.pg_roles
                   WHERE rolname OPERATOR(pg_catalog.=) role AND pg_catalog.pg_has_role(oid, 'USAGE')));
GRANT SELECT ON influx_listeners TO PUBLIC;

-- Opening ports is for those whom an administrator allows it.
REVOKE EXECUTE ON FUNCTION
  listener_create(name, regnamespace, text, name, text, text, integer, integer, text, text, text, boolean, text)
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  listener_create(name, regnamespace, integer, name, text, text, integer, integer, text, text, text, boolean, text)
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  listener_alter(name, text, regnamespace, name, text, text, integer, integer, text, text, text, boolean, text[])
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION
  listener_alter(name, integer, regnamespace, name, text, text, integer, integer, text, text, text, boolean, text[])
FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION listener_drop(name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION listener_start(name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION listener_stop(name) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION influx_listeners_changed() FROM PUBLIC;

-- In view -----------------------------------------------------------------------------------------

-- What was one function is a view now, as the server's own statistics are.
DROP FUNCTION influx_workers();

CREATE FUNCTION pg_stat_get_influx(
  OUT pid integer, OUT listener name, OUT database name, OUT schema name, OUT role name, OUT transport text,
  OUT addresses text[], OUT port integer, OUT "precision" text, OUT state text, OUT started timestamptz,
  OUT restarts integer, OUT read_buffer bigint, OUT datagrams bigint, OUT bytes bigint, OUT lines bigint,
  OUT stored bigint, OUT duplicates bigint, OUT rejected bigint, OUT rejected_by jsonb, OUT waiting bigint, OUT kernel_drops bigint,
  OUT truncated bigint, OUT filtered bigint, OUT lost_datagrams bigint, OUT batches bigint, OUT retries bigint,
  OUT batch_rows_p50 bigint, OUT batch_rows_p99 bigint, OUT commit_ms_p50 double precision,
  OUT commit_ms_p99 double precision, OUT last_datagram timestamptz, OUT newest_time timestamptz,
  OUT last_error text, OUT last_error_sqlstate text, OUT last_error_time timestamptz, OUT stats_reset timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'influx_stat_get'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION pg_stat_get_influx() IS 'what the view pg_stat_influx shows';

CREATE VIEW pg_stat_influx AS
SELECT pid, listener, database, schema, role, transport, addresses, port, "precision", state, started, restarts,
       read_buffer, datagrams, bytes, lines, stored, duplicates, rejected, rejected_by, waiting, kernel_drops, truncated,
       filtered, lost_datagrams, batches, retries, batch_rows_p50, batch_rows_p99, commit_ms_p50, commit_ms_p99,
       last_datagram, newest_time, pg_catalog.now() OPERATOR(pg_catalog.-) newest_time AS lag, last_error,
       last_error_sqlstate, last_error_time, stats_reset
  FROM pg_stat_get_influx();
COMMENT ON VIEW pg_stat_influx IS 'the listener processes of the server, and what they have counted';

-- It shows listeners of all databases.
REVOKE EXECUTE ON FUNCTION pg_stat_get_influx() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_stat_get_influx() TO pg_monitor;
GRANT SELECT ON pg_stat_influx TO pg_monitor;

CREATE FUNCTION pg_stat_get_influx_tables(
  OUT relid oid, OUT points bigint, OUT rejects bigint, OUT columns_added bigint, OUT last_insert timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'influx_stat_get_tables'
LANGUAGE C VOLATILE ROWS 100;
COMMENT ON FUNCTION pg_stat_get_influx_tables() IS 'what the view pg_stat_influx_tables shows, but for names';

CREATE VIEW pg_stat_influx_tables AS
SELECT relid, nspname AS schema, relname AS table_name, points, rejects, columns_added, last_insert
  FROM pg_stat_get_influx_tables()
  JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) relid
  JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) relnamespace;
COMMENT ON VIEW pg_stat_influx_tables IS 'what was stored in and refused for each table of this database';
GRANT SELECT ON pg_stat_influx_tables TO PUBLIC;

CREATE FUNCTION pg_stat_influx_reset() RETURNS void
AS 'MODULE_PATHNAME', 'influx_stat_reset'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION pg_stat_influx_reset()
IS 'set what is counted for the listeners and tables of this database to zero';
REVOKE EXECUTE ON FUNCTION pg_stat_influx_reset() FROM PUBLIC;
