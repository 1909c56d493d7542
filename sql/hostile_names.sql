-- Names that somebody chose to do harm: as text they come through as they are, and nothing in them or beside
-- them is run, picked up or overwritten.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
LOAD 'influx';
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_hostile;

-- A name as part of a line: a key; in the name of a measurement, = stands for itself
CREATE FUNCTION influx_hostile.escape(name text, what text DEFAULT ' ,=') RETURNS text LANGUAGE sql AS
$$ SELECT regexp_replace(name, '([' || what || '])', '\\\1', 'g') $$;
-- What becomes of a line: its row, or the error
CREATE FUNCTION influx_hostile.put(line text, schema regnamespace DEFAULT 'influx_hostile') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text;
BEGIN
  RETURN insert_lines(schema, line) || ' stored';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
  RETURN state || ' ' || message;
END $$;

-- The same name for the measurement, a tag and a field of three tables; it has to be the name of what is made
CREATE TABLE influx_hostile.victim (time timestamptz, v float8);
CREATE FUNCTION influx_hostile.try(name text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  escaped text := influx_hostile.escape(name);
  result text;
BEGIN
  result := concat_ws(', ',
    influx_hostile.put(influx_hostile.escape(name, ' ,') || ' v=1 1000'),
    influx_hostile.put('by_tag,' || escaped || '=a v=1 1000'),
    influx_hostile.put('by_field ' || escaped || '=1 1000'));
  RETURN result || CASE WHEN result !~ '^(1 stored(, )?){3}$' THEN '' ELSE ': ' ||
    (SELECT count(*) FROM pg_class WHERE relnamespace = 'influx_hostile'::regnamespace AND relname::text = name) || ' table, ' ||
    (SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_hostile.by_tag'::regclass AND attname::text = name) || ' tag, ' ||
    (SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_hostile.by_field'::regclass AND attname::text = name) || ' field' END;
END $$;
SELECT name, influx_hostile.try(name) FROM unnest(ARRAY[
  '"', '""', 'a"b', '''', 'a''b', ';', '--', '/*', '*/', '"; DROP TABLE victim; --', '"); DROP TABLE victim; --',
  '$$', '$1', '$body$', '%I', '%s%n', '{}', '${x}', '\x', '\\', 'a\"b', '(', ')', '()', '.', 'a.b', 'influx_hostile.victim', '*', ':=', '::', '@', '#',
  '-', '0', '1e5', 'NaN', 'NULL', 'null', 'true', 'select', 'SELECT', 'user', 'table', 'column', 'default', 'current_user', 'session_user', 'public',
  'pg_class', 'pg_toast', 'pg_', 'influx_batch', 'c1', 'oid', 'regclass', '_create'
]) WITH ORDINALITY AS n (name, i) ORDER BY i;
-- White space and control characters, where a line can have them
SELECT quote_literal(name), influx_hostile.try(name) FROM unnest(ARRAY[
  ' ', ' a', 'a ', E'a\tb', E'\t', E'a\rb', E'a\x01b', E'a\x1bb', E'a\x7f', E'a\x08b', E'\x1b[2J'
]) WITH ORDINALITY AS n (name, i) ORDER BY i;
-- The end of a name, and of what a name can hold
SELECT length(name), right(name, 2), left(influx_hostile.try(name), 200) FROM unnest(ARRAY[
  repeat('a', 62) || '"', repeat('"', 63), repeat('"', 64), repeat('e', 10000)
]) WITH ORDINALITY AS n (name, i) ORDER BY i;
-- System columns, and the columns with a meaning
SELECT name, influx_hostile.put('m_' || name || ' ' || name || '=1 1000') AS field, influx_hostile.put('m_' || name || ',' || name || '=a v=1 1000') AS tag
  FROM unnest('{ctid,xmin,xmax,cmin,cmax,tableoid,CTID,time,_time,_tags,_fields}'::text[]) WITH ORDINALITY AS n (name, i) ORDER BY i;
-- Nothing at all
SELECT line, influx_hostile.put(line) FROM unnest(ARRAY[' v=1', ',t=a v=1', '\ v=1', 'm,=a v=1', 'm =1', 'm,t= v=1', E'm\\ v=1', E'a\nb v=1']) WITH ORDINALITY AS l (line, i) ORDER BY i;
-- In jsonb a key is a key
SET influx.layout = json;
SELECT influx_hostile.put('loose,' || influx_hostile.escape('"}') || '=a,'|| influx_hostile.escape(E'\\u0000') || '=b ' || influx_hostile.escape('","x":"') || '=1,' || influx_hostile.escape($$'; DROP TABLE victim; --$$) || '=2 1000');
RESET influx.layout;
SELECT _tags, _fields FROM influx_hostile.loose;
SELECT count(*) FROM influx_hostile.victim;

-- The name of something else: a relation is found as what it is, a type is in the way of the row type
CREATE SCHEMA influx_names;
CREATE TABLE influx_names.base (time timestamptz, v float8);
CREATE DOMAIN influx_names.a_domain AS int;
CREATE TYPE influx_names.a_range AS RANGE (subtype = float8);
CREATE TYPE influx_names.a_shell;
CREATE FUNCTION influx_names.a_function() RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FOREIGN DATA WRAPPER influx_wrapper;
CREATE SERVER influx_server FOREIGN DATA WRAPPER influx_wrapper;
CREATE FOREIGN TABLE influx_names.a_foreign (time timestamptz, v float8) SERVER influx_server;
CREATE INDEX an_index ON influx_names.base (v);
SELECT m, influx_hostile.put(m || ' v=1 1000', 'influx_names')
  FROM unnest('{a_domain,a_range,a_multirange,_base,a_shell,a_function,a_foreign,an_index,influx_names,influx_server}'::text[]) WITH ORDINALITY AS m (m, i) ORDER BY i;
-- A foreign table is extended like any other, where it can be
SELECT influx_hostile.put('a_foreign w=1 1000', 'influx_names');

-- A temporary table of the same name, a table earlier in the search path, one of pg_catalog: the schema's is meant
CREATE TEMPORARY TABLE twin (time timestamptz, v float8);
CREATE TEMPORARY TABLE missing (time timestamptz, v float8);
CREATE SCHEMA influx_early;
CREATE TABLE influx_early.twin (time timestamptz, v float8);
CREATE TABLE influx_early.missing (time timestamptz, v float8);
CREATE TABLE influx_names.twin (time timestamptz, v float8);
SET search_path = influx_early, pg_temp, public;
SELECT insert_lines('influx_names', E'twin v=1 1000\nmissing v=1 1000\npg_class relname="x" 1000\npg_type,oid=a v=1 1000');
SELECT influx_hostile.put('twin w=1 2000', 'influx_names'), influx_hostile.put('missing w=1 2000', 'influx_names');
RESET search_path;
SELECT (SELECT count(*) FROM pg_temp.twin) + (SELECT count(*) FROM pg_temp.missing) + (SELECT count(*) FROM influx_early.twin) + (SELECT count(*) FROM influx_early.missing) AS elsewhere,
  (SELECT count(*) FROM influx_names.twin) AS twin, (SELECT count(*) FROM influx_names.missing) AS missing, (SELECT relname FROM influx_names.pg_class) AS pg_class;
SELECT count(*) FROM pg_class WHERE relname IN ('twin', 'missing') AND relnatts <> 2 AND relnamespace <> 'influx_names'::regnamespace;

-- Traps in the search path, before pg_catalog: functions, types, operators and casts of the names in use
CREATE SCHEMA influx_trap;
DO $$
DECLARE
  signature text;
  made text;
BEGIN
  FOREACH signature IN ARRAY '{"unnest(anyarray)","unnest(float8[])","unnest(text[])","_create(name, name[], name[])","_create(text, text[], text[])","format(text, name)","nextval(regclass)","now()","float8(bigint)","text(name)","jsonb_build_object(text)"}'::text[] LOOP
    EXECUTE format('CREATE FUNCTION influx_trap.%s RETURNS int LANGUAGE plpgsql AS %L', signature, 'BEGIN RAISE EXCEPTION ''trapped''; END');
  END LOOP;
  FOREACH made IN ARRAY '{text,float8,int8,bool,"numeric",timestamptz,name,jsonb}'::text[] LOOP
    EXECUTE format('CREATE TYPE influx_trap.%I AS ENUM (''trapped'')', made);
  END LOOP;
END $$;
CREATE FUNCTION influx_trap.equal(pg_catalog.text, pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE OPERATOR influx_trap.= (LEFTARG = pg_catalog.text, RIGHTARG = pg_catalog.text, FUNCTION = influx_trap.equal);
CREATE TABLE influx_trap.influx_batch (time pg_catalog.timestamptz, v pg_catalog.float8);
CREATE TABLE influx_names.shaped (time timestamptz, v varchar(4), n numeric(6,2), d influx_names.a_domain, j jsonb, a float8[]);
SET search_path = influx_trap, pg_catalog, public;
SELECT insert_lines('influx_names', 'trap,t=a f=1,i=1i,u=1u,b=t,s="x" 1000');
SELECT insert_lines('influx_names', 'trap,t2=a f2=1,i2=1i,u2=1u,b2=t,s2="x" 2000');
SELECT insert_lines('influx_names', 'shaped v="abcd",n=1.25,d=5i,j="[1]",a="{1,2}" 1000');
SET influx.row_source = arrays;
SELECT insert_lines('influx_names', 'trap,t=b f=2,i=2i,u=2u,b=f,s="y" 3000');
SELECT insert_lines('influx_names', 'shaped v="efgh",n=2.25,d=6i,j="[2]",a="{3,4}" 2000');
RESET influx.row_source;
SET influx.layout = json;
SELECT insert_lines('influx_names', 'trap_json,t=b f=2,i=2i,u=2u,b=f,s="y" 3000');
RESET influx.layout;
RESET search_path;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'influx_names.trap'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'influx_names.trap_json'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM influx_names.shaped;
SELECT count(*) FROM influx_trap.influx_batch;

-- The server's own schemas
SELECT schema, influx_hostile.put('m v=1 1000', schema::regnamespace) FROM unnest('{pg_catalog,pg_toast,information_schema}'::text[]) AS schema;
SELECT regexp_replace(influx_hostile.put('twin v=1 1000', pg_my_temp_schema()::regnamespace), '\d+"', 'N"');
CREATE FUNCTION influx_hostile.launch(schema regnamespace) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN worker_launch(schema, 8089);
EXCEPTION WHEN others THEN
  RETURN regexp_replace(SQLSTATE || ' ' || SQLERRM, '\d+"', 'N"');
END $$;
SELECT influx_hostile.launch(schema) FROM unnest(ARRAY['pg_catalog', 'pg_toast', 'information_schema', pg_my_temp_schema()::regnamespace::text]::regnamespace[]) AS schema;

-- A view that shows a part, with a barrier: what it does not show can be written unless it says otherwise
CREATE TABLE influx_names.guarded (time timestamptz, owner name DEFAULT current_user, v float8);
CREATE VIEW influx_names.barrier WITH (security_barrier) AS SELECT time, v FROM influx_names.guarded WHERE v < 10 WITH LOCAL CHECK OPTION;
CREATE ROLE regress_influx_hostile;
GRANT USAGE ON SCHEMA influx_names, influx_hostile TO regress_influx_hostile;
GRANT INSERT ON influx_names.barrier TO regress_influx_hostile;
SET ROLE regress_influx_hostile;
SELECT influx_hostile.put('barrier v=1 1000', 'influx_names'), influx_hostile.put('barrier v=11 1000', 'influx_names');
SELECT influx_hostile.put('guarded v=1 1000', 'influx_names'), influx_hostile.put('barrier owner="x",v=2 1000', 'influx_names');
RESET ROLE;
SELECT owner, v FROM influx_names.guarded;

SET client_min_messages = warning;
DROP SERVER influx_server CASCADE;
DROP FOREIGN DATA WRAPPER influx_wrapper;
DROP SCHEMA influx_hostile, influx_names, influx_early, influx_trap CASCADE;
DROP ROLE regress_influx_hostile;
