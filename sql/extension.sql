-- What CREATE EXTENSION makes, who may use it, and the settings.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS influx;
RESET client_min_messages;

-- In the default schema
CREATE EXTENSION influx;
SELECT extversion, extrelocatable, extnamespace::regnamespace FROM pg_extension WHERE extname = 'influx';
-- Without the row types of relations, which are members since PostgreSQL 17
SELECT pg_describe_object(classid, objid, objsubid) COLLATE "C" AS object
  FROM pg_depend
 WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
   AND classid <> 'pg_type'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'influx')
 ORDER BY object;
ALTER EXTENSION influx SET SCHEMA pg_catalog;
DROP EXTENSION influx;

-- In a schema of its own
CREATE SCHEMA influx_ext;
CREATE EXTENSION influx SCHEMA influx_ext;
\df influx_ext.(_create|insert_lines|parse_influx|send_packet|worker_launch)
SELECT attrelid::regclass AS view, attname AS column, format_type(atttypid, NULL) AS type
  FROM pg_attribute
 WHERE attrelid IN ('influx_ext.pg_stat_influx'::regclass, 'influx_ext.pg_stat_influx_tables'::regclass)
 ORDER BY attrelid::regclass::text COLLATE "C", attnum;

-- Every function: its kind, what the planner may assume of it
SELECT proname, left(pg_get_function_identity_arguments(oid), 80) COLLATE "C" AS arguments, prokind, provolatile, proisstrict,
       proparallel, prosecdef, proretset
  FROM pg_proc WHERE pronamespace = 'influx_ext'::regnamespace
 ORDER BY proname COLLATE "C", arguments;

-- Every function has a comment
SELECT proname, pg_get_function_identity_arguments(oid) AS arguments
  FROM pg_proc WHERE pronamespace = 'influx_ext'::regnamespace AND obj_description(oid, 'pg_proc') IS NULL;

-- Who may execute what. The network is not for everybody.
CREATE ROLE regress_influx_anyone;
SELECT proname, left(pg_get_function_identity_arguments(oid), 80) COLLATE "C" AS arguments,
       has_function_privilege('regress_influx_anyone', oid, 'EXECUTE') AS anyone
  FROM pg_proc WHERE pronamespace = 'influx_ext'::regnamespace
 ORDER BY proname COLLATE "C", arguments;
GRANT USAGE ON SCHEMA influx_ext TO regress_influx_anyone;
SET ROLE regress_influx_anyone;
SELECT influx_ext.worker_launch('influx_ext', '8089');
SELECT influx_ext.worker_launch('influx_ext', 8089);
SELECT influx_ext.worker_launch('8089');
SELECT influx_ext.worker_launch(8089);
CALL influx_ext.send_packet('m v=1', '8089');
CALL influx_ext.send_packet('m v=1', 8089);
SELECT * FROM influx_ext.pg_stat_influx;
SELECT _metric FROM influx_ext.parse_influx('m v=1');
RESET ROLE;
GRANT pg_monitor TO regress_influx_anyone;
SET ROLE regress_influx_anyone;
SELECT count(*) >= 0 AS shown FROM influx_ext.pg_stat_influx;
RESET ROLE;
REVOKE ALL ON SCHEMA influx_ext FROM regress_influx_anyone;
DROP ROLE regress_influx_anyone;

-- The settings are known once the library is loaded
LOAD 'influx';
SELECT name, setting, unit, context, vartype, min_val, max_val, enumvals
  FROM pg_settings WHERE name LIKE 'influx.%' ORDER BY name COLLATE "C";
SELECT name FROM pg_settings
 WHERE name LIKE 'influx.%' AND (short_desc IS NULL OR short_desc !~ '\.$') ORDER BY name COLLATE "C";
SHOW influx.listen_addresses;
SHOW influx.allowed_sources;
SHOW influx.read_buffer;
SHOW influx.max_pending;
SHOW influx.batch_size;
SHOW influx.batch_bytes;
SHOW influx.batch_timeout;
SHOW influx.restart_time;
SHOW influx.auto_create;
SHOW influx.auto_extend;
SHOW influx.max_tables;
SHOW influx.max_columns;
SHOW influx.layout;
SHOW influx.time_column;
SHOW influx.log_interval;
SHOW influx.notify;

-- Those of a listener are set for the whole server only
SET influx.listen_addresses = '*';
SET influx.read_buffer = '8MB';
SET influx.max_pending = '8MB';
SET influx.batch_size = 10;
SET influx.batch_bytes = '1MB';
SET influx.batch_timeout = '1s';
SET influx.restart_time = '1s';

-- What is out of bounds, or is no value of the setting at all
ALTER SYSTEM SET influx.listen_addresses = '';
ALTER SYSTEM SET influx.listen_addresses = 'a,,b';
SET influx.allowed_sources = '10.0.0.0/8, 10.0.0.1/8';
SET influx.allowed_sources = '10.0.0.0/33';
SET influx.allowed_sources = 'fe80::1%lo';
SET influx.allowed_sources = '::1,,127.0.0.1';
SET influx.allowed_sources = 'localhost';
SET influx.auto_create = maybe;
SET influx.auto_extend = '';
SET influx.layout = rows;
SET influx.row_source = tuplestore;
SET influx.time_column = '';
SET influx.time_column = 'a_name_of_sixty_four_bytes_which_is_one_too_many_for_any_column_';
\set VERBOSITY sqlstate
ALTER SYSTEM SET influx.read_buffer = '3kB';
ALTER SYSTEM SET influx.read_buffer = '1025MB';
ALTER SYSTEM SET influx.max_pending = '1023kB';
ALTER SYSTEM SET influx.max_pending = '1025MB';
ALTER SYSTEM SET influx.batch_size = 0;
ALTER SYSTEM SET influx.batch_size = 1000001;
ALTER SYSTEM SET influx.batch_bytes = '63kB';
ALTER SYSTEM SET influx.batch_bytes = '257MB';
ALTER SYSTEM SET influx.batch_timeout = 0;
ALTER SYSTEM SET influx.batch_timeout = '2min';
ALTER SYSTEM SET influx.batch_timeout = '1MB';
SET influx.max_tables = -1;
SET influx.max_columns = 0;
SET influx.max_columns = 1601;
ALTER SYSTEM SET influx.restart_time = '-2s';
ALTER SYSTEM SET influx.restart_time = '61min';
\set VERBOSITY default
SET influx.time_column = 'a_name_of_sixty_three_bytes_which_is_as_long_as_a_name_can_be__';

-- Those of a session, with their units and spellings
SET influx.auto_create = off;
SET influx.auto_extend = 0;
SET influx.layout = 'json';
SET influx.row_source = 'arrays';
SET influx.time_column = 'When sent';
SET influx.allowed_sources = '10.0.0.0/8', 'fd00::/8';
SHOW influx.allowed_sources;
SHOW influx.time_column;
SET influx.max_tables = 0;
SET influx.max_columns = 1600;
SELECT name, setting FROM pg_settings
 WHERE name LIKE 'influx.%' AND source = 'session' ORDER BY name COLLATE "C";
RESET ALL;

-- The prefix is reserved: a typing error is noticed
SET influx.nosuch = 1;
SHOW influx.nosuch;

-- The extension goes with its objects only
CREATE TABLE influx_ext.kept (time timestamptz NOT NULL, v float8);
DROP EXTENSION influx;
SELECT proname FROM pg_proc WHERE pronamespace = 'influx_ext'::regnamespace;
SELECT relname FROM pg_class WHERE relnamespace = 'influx_ext'::regnamespace AND relkind = 'r';
DROP SCHEMA influx_ext CASCADE;
SELECT extname FROM pg_extension WHERE extname = 'influx';
