-- What an ordinary role can do with the extension: nothing that it could not do without. Who may execute what is
-- in the extension script; here is what that means, function by function.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
CREATE SCHEMA influx_rights;
CREATE TABLE influx_rights.saved (time timestamptz, v float8, w float8);
CREATE TABLE influx_rights.of_admin (time timestamptz, v float8);
CREATE ROLE regress_influx_ordinary LOGIN;
\set SHOW_CONTEXT never
\set sqlstate '\\echo :LAST_ERROR_SQLSTATE'
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- Of all functions of the extension, PUBLIC has those that reach neither the network nor what listeners have kept,
-- and none runs with another's rights
SELECT proname, bool_and(has_function_privilege('public', oid, 'EXECUTE')) AS everybody,
       bool_or(has_function_privilege('public', oid, 'EXECUTE')) AS anybody, bool_or(prosecdef) AS as_owner
  FROM pg_proc JOIN pg_depend ON classid = 'pg_proc'::regclass AND objid = pg_proc.oid AND deptype = 'e'
 WHERE refclassid = 'pg_extension'::regclass AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'influx')
 GROUP BY proname ORDER BY proname COLLATE "C";
SET ROLE regress_influx_ordinary;

-- The network
SELECT worker_launch('public', 8089);
:sqlstate
SELECT worker_launch('public', '8089');
:sqlstate
SELECT worker_launch(8089);
:sqlstate
SELECT worker_launch('8089');
:sqlstate
CALL send_packet('m v=1', 8089);
:sqlstate
CALL send_packet('m v=1', '8089');
:sqlstate

-- Parsing needs nothing
SELECT _metric, _fields FROM parse_influx('m v=1 0');

-- Storing needs what INSERT would need: first USAGE on the schema
SELECT insert_lines('influx_rights', 'saved v=1 0');
:sqlstate
RESET ROLE;
GRANT USAGE ON SCHEMA influx_rights TO regress_influx_ordinary;
SET ROLE regress_influx_ordinary;
-- then INSERT on the table
SELECT insert_lines('influx_rights', 'saved v=1 0');
:sqlstate
-- which may be for some columns
RESET ROLE;
GRANT INSERT (time, v) ON influx_rights.saved TO regress_influx_ordinary;
SET ROLE regress_influx_ordinary;
SELECT insert_lines('influx_rights', 'saved v=1 0');
SELECT insert_lines('influx_rights', 'saved v=1,w=1 0');
:sqlstate
-- Storing does not mean seeing
TABLE influx_rights.saved;
:sqlstate
-- To add a column one has to own the table
SELECT insert_lines('influx_rights', 'saved v=1,new=1 0');
:sqlstate
-- To create a table, CREATE on the schema
SELECT insert_lines('influx_rights', 'made v=1 0');
:sqlstate
RESET ROLE;
SELECT to_regclass('influx_rights.made') AS made, (SELECT count(*) FROM influx_rights.saved) AS stored;
GRANT CREATE ON SCHEMA influx_rights TO regress_influx_ordinary;
SET ROLE regress_influx_ordinary;
SELECT insert_lines('influx_rights', 'made v=1 0');
SELECT relname, relowner::regrole FROM pg_class WHERE oid = 'influx_rights.made'::regclass;
-- A table of somebody else stays somebody else's
SELECT insert_lines('influx_rights', 'of_admin v=1 0');
:sqlstate

-- _create() acts in its own schema, with the rights of the caller
SELECT _create('influx_rights_made', '{}', '{v}');
:sqlstate
RESET ROLE;
GRANT CREATE ON SCHEMA public TO regress_influx_ordinary;
SET ROLE regress_influx_ordinary;
SELECT _create('influx_rights_made', '{}', '{v}');
SELECT relname, relowner::regrole FROM pg_class WHERE oid = 'public.influx_rights_made'::regclass;
DROP TABLE public.influx_rights_made;
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_influx_ordinary;
SET ROLE regress_influx_ordinary;

-- Text of a sender is a name or a value, never SQL
SELECT insert_lines('influx_rights', $$x"\ (v\ int);\ DROP\ TABLE\ saved;--,t\ag=');\ DROP\ TABLE\ saved;-- v="'); DROP TABLE saved; --" 0$$);
TABLE influx_rights."x"" (v int); DROP TABLE saved;--";

-- Whom a listener listens to is the administrator's decision
SET influx.allowed_sources = '';
:sqlstate
ALTER ROLE regress_influx_ordinary SET influx.allowed_sources = '';
:sqlstate
RESET ROLE;
-- who can set it for a role
ALTER ROLE regress_influx_ordinary SET influx.allowed_sources = '10.0.0.0/8, fd00::/8';
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'regress_influx_ordinary'::regrole;
ALTER ROLE regress_influx_ordinary SET influx.allowed_sources = '10.0.0.1/8';
:sqlstate

-- An ordinary role that may launch listeners: not into a schema that it may not use
CREATE SCHEMA influx_rights_closed;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO regress_influx_ordinary;
SET ROLE regress_influx_ordinary;
SELECT worker_launch('influx_rights_closed', 8089);
:sqlstate
RESET ROLE;

SET client_min_messages = warning;
REVOKE ALL ON FUNCTION worker_launch(regnamespace, integer, text) FROM regress_influx_ordinary;
DROP SCHEMA influx_rights, influx_rights_closed CASCADE;
DROP ROLE regress_influx_ordinary;
