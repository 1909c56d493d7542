-- _create(): the extension's own, called by hand, and the user's in a target schema.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- By hand: the table is made in the schema of the function; types are not known, so fields are floats
SELECT _create('influx_made', '{host,Rack}', '{v,"a field"}');
\d public.influx_made
-- A table that is there already stays as it is
SET client_min_messages = warning;
SELECT _create('influx_made', '{}', '{other}');
RESET client_min_messages;
SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.influx_made'::regclass AND attnum > 0;
DROP TABLE public.influx_made;
SELECT _create('influx_made', '{}', '{}');
\d public.influx_made
DROP TABLE public.influx_made;
SELECT _create('influx_made', '{same,same}', '{same,v,v}');
SELECT attname FROM pg_attribute WHERE attrelid = 'public.influx_made'::regclass AND attnum > 0 ORDER BY attnum;
DROP TABLE public.influx_made;
SET influx.layout = json;
SELECT _create('influx_made', '{host}', '{v}');
\d public.influx_made
DROP TABLE public.influx_made;
RESET influx.layout;
SELECT _create(NULL, '{}', '{}'), _create('influx_made', NULL, '{}'), _create('influx_made', '{}', NULL);
SELECT _create('influx_made', '{NULL}', '{}');
SELECT _create('influx_made', '{}', '{time}');
SELECT _create('influx_made', '{ctid}', '{}');
SELECT to_regclass('public.influx_made');
-- It is no function of the user where it stands in a target schema: types are known there
SELECT insert_lines('public', 'influx_made,host=a n=1i,s="x" 1000');
\d public.influx_made
DROP TABLE public.influx_made;

-- The user's: a table of the user's own making, partitioned and indexed
CREATE SCHEMA influx_hook;
CREATE TABLE influx_hook.calls (n serial, metric name, tags name[], fields name[]);
CREATE FUNCTION influx_hook._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
  qualified text := format('influx_hook.%I', metric);
BEGIN
  INSERT INTO influx_hook.calls (metric, tags, fields) VALUES (metric, tags, fields);
  CASE metric
    WHEN 'raises' THEN
      RAISE EXCEPTION 'metric % is not wanted', metric USING ERRCODE = 'P0123', DETAIL = 'It never was.', HINT = 'Do not send it.';
    WHEN 'nothing' THEN
      RETURN NULL;
    WHEN 'misnamed' THEN
      CREATE TABLE influx_hook.not_misnamed (_time timestamptz, _fields jsonb);
      RETURN 'influx_hook.not_misnamed';
    WHEN 'a_view' THEN
      CREATE TABLE influx_hook.below (_time timestamptz, _fields jsonb);
      CREATE VIEW influx_hook.a_view AS SELECT * FROM influx_hook.below;
      RETURN 'influx_hook.a_view';
    WHEN 'bare' THEN
      CREATE TABLE influx_hook.bare (v float8);
      RETURN 'influx_hook.bare';
    ELSE
      NULL;
  END CASE;
  EXECUTE format('CREATE TABLE %s (_time timestamptz NOT NULL, host text, _tags jsonb, _fields jsonb) PARTITION BY RANGE (_time)', qualified);
  EXECUTE format('CREATE INDEX ON %s (host, _time)', qualified);
  FOR i IN 0 .. 2 LOOP
    EXECUTE format('CREATE TABLE influx_hook.%I PARTITION OF %s FOR VALUES FROM (%L) TO (%L)',
                   metric || '_' || 2020 + i, qualified, make_date(2020 + i, 1, 1), make_date(2021 + i, 1, 1));
  END LOOP;
  RETURN qualified::regclass;
END $$;
SELECT insert_lines('influx_hook', E'cpu,host=a,rack=r usage=1,n=2i 1577836800\ncpu,rack=r,zone=z usage=3,other="x" 1640995200\ncpu usage=4 1609459200\nmem free=1 1577836800', 's');
SELECT tableoid::regclass, * FROM influx_hook.cpu ORDER BY _time;
SELECT * FROM influx_hook.mem;
SELECT metric, tags, fields FROM influx_hook.calls ORDER BY metric;
-- Called once for a table, and in no other place than for a missing one
SELECT insert_lines('influx_hook', 'cpu,more=t more=5 1609459200', 's'), insert_lines('influx_hook', 'mem free=2 1577836800', 's');
SELECT count(*) FROM influx_hook.calls;
SELECT indexdef FROM pg_indexes WHERE schemaname = 'influx_hook' AND tablename = 'cpu';
-- Outside of the partitions
SELECT insert_lines('influx_hook', 'cpu usage=5 0', 's');
-- Names: special ones, upper case, and more than a name can hold
SELECT insert_lines('influx_hook', 'Odd\ "Name",_tags=a,time=b,Host=c ctid=1,_time=2 1577836800', 's');
SELECT * FROM influx_hook."Odd ""Name""";
SELECT metric, tags, fields FROM influx_hook.calls ORDER BY n DESC LIMIT 1;
SELECT insert_lines('influx_hook', 'long_key ' || repeat('k', 64) || '=1 1577836800', 's');
SELECT _fields FROM influx_hook.long_key;
SELECT insert_lines('influx_hook', repeat('m', 64) || ' v=1 1577836800', 's');
-- A tag and a field of one name
SELECT insert_lines('influx_hook', 'same,v=a v=1 1577836800', 's');
SELECT _tags, _fields FROM influx_hook.same;
SELECT metric, tags, fields FROM influx_hook.calls ORDER BY n DESC LIMIT 1;

-- One that raises: its error, and nothing of what it did
SELECT insert_lines('influx_hook', E'cpu usage=6 1577836800\nraises v=1 1577836800', 's');
\echo :LAST_ERROR_SQLSTATE
-- One that makes nothing, or something else
SELECT insert_lines('influx_hook', 'nothing v=1 1577836800', 's');
SELECT insert_lines('influx_hook', 'misnamed v=1 1577836800', 's');
SELECT to_regclass('influx_hook.not_misnamed'), (SELECT count(*) FROM influx_hook.cpu WHERE _fields->>'usage' = '6') AS cpu;
-- One that makes what takes rows in its own way, and one that leaves columns to be added
SELECT insert_lines('influx_hook', 'a_view v=1 1577836800', 's'), insert_lines('influx_hook', 'bare,host=a v=1 1577836800', 's');
SELECT * FROM influx_hook.a_view;
SELECT * FROM influx_hook.bare;
-- Not called where tables are not to be made
SET influx.auto_create = off;
SELECT insert_lines('influx_hook', 'fresh v=1 1577836800', 's');
RESET influx.auto_create;
-- Its layout is its own
SET influx.layout = json;
SELECT insert_lines('influx_hook', 'fresh,host=a v=1 1577836800', 's');
RESET influx.layout;
SELECT * FROM influx_hook.fresh;
-- It runs with the rights of the caller
CREATE ROLE regress_influx_maker;
GRANT USAGE, CREATE ON SCHEMA influx_hook TO regress_influx_maker;
GRANT INSERT ON influx_hook.calls TO regress_influx_maker;
GRANT USAGE ON SEQUENCE influx_hook.calls_n_seq TO regress_influx_maker;
REVOKE EXECUTE ON FUNCTION influx_hook._create(name, name[], name[]) FROM PUBLIC;
SET ROLE regress_influx_maker;
SELECT insert_lines('influx_hook', 'of_role v=1 1577836800', 's');
RESET ROLE;
GRANT EXECUTE ON FUNCTION influx_hook._create(name, name[], name[]) TO regress_influx_maker;
SET ROLE regress_influx_maker;
SELECT insert_lines('influx_hook', 'of_role v=1 1577836800', 's');
RESET ROLE;
SELECT relowner::regrole FROM pg_class WHERE oid = 'influx_hook.of_role'::regclass;
-- Replaced and dropped: the next missing table is made by what is there then
CREATE OR REPLACE FUNCTION influx_hook._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE influx_hook.%I (time timestamptz, v text)', metric);
  RETURN NULL;
END $$;
SELECT insert_lines('influx_hook', 'replaced v=1.50 1577836800', 's');
SELECT v FROM influx_hook.replaced;
DROP FUNCTION influx_hook._create(name, name[], name[]);
SELECT insert_lines('influx_hook', 'default_made v=1.50 1577836800', 's');
\d influx_hook.default_made

-- Functions of this name with other arguments are none of ours
CREATE SCHEMA influx_hook2;
CREATE FUNCTION influx_hook2._create(metric text, tags text[], fields text[]) RETURNS regclass LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not for you'; END $$;
CREATE FUNCTION influx_hook2._create(metric name, tags name[]) RETURNS regclass LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not for you'; END $$;
CREATE FUNCTION influx_hook2._create(metric name, tags name[], fields name[], more int DEFAULT 0) RETURNS regclass LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'not for you'; END $$;
SELECT insert_lines('influx_hook2', 'm v=1 1577836800', 's');
-- One of the search path is none either
SET search_path = influx_hook2, public;
CREATE SCHEMA influx_hook3;
SELECT insert_lines('influx_hook3', 'm v=1 1577836800', 's');
RESET search_path;

-- The function finds its own schema first, and everything else where the caller does; the path is the caller's again behind it
CREATE SCHEMA "influx hook, 4";
CREATE FUNCTION "influx hook, 4"._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE %I (time timestamptz, path text DEFAULT %L)', metric, current_setting('search_path'));
  IF metric = 'unwanted' THEN RAISE EXCEPTION 'not wanted'; END IF;
  RETURN metric::regclass;
END $$;
SET search_path = public, influx_hook;
SELECT insert_lines('"influx hook, 4"', 'a v=1 1577836800', 's');
SELECT insert_lines('"influx hook, 4"', 'unwanted v=1 1577836800', 's');
SHOW search_path;
SELECT * FROM "influx hook, 4".a;
SET search_path = '';
SELECT public.insert_lines('"influx hook, 4"', 'b v=1 1577836800', 's');
SHOW search_path;
SELECT * FROM "influx hook, 4".b;
RESET search_path;

SET client_min_messages = warning;
DROP SCHEMA influx_hook, influx_hook2, influx_hook3, "influx hook, 4" CASCADE;
DROP ROLE regress_influx_maker;
