-- influx.max_tables and influx.max_columns, by insert_lines() and _create().
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
LOAD 'influx';
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_max;

-- What counts: what a measurement can be stored in. Partitions count with their table.
CREATE TABLE influx_max.plain (time timestamptz, v float8);
CREATE INDEX ON influx_max.plain (time);
CREATE SEQUENCE influx_max.a_sequence;
CREATE TYPE influx_max.a_type AS (v float8);
CREATE MATERIALIZED VIEW influx_max.a_matview AS SELECT 1 AS v;
CREATE TABLE influx_max.parted (time timestamptz, v float8) PARTITION BY RANGE (time);
CREATE TABLE influx_max.part_1 PARTITION OF influx_max.parted FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
CREATE TABLE influx_max.part_2 PARTITION OF influx_max.parted DEFAULT;
CREATE VIEW influx_max.a_view AS SELECT time, v FROM influx_max.plain;
SET influx.max_tables = 3;
SELECT insert_lines('influx_max', 'fresh v=1 1000');
\echo :LAST_ERROR_SQLSTATE
-- What is there goes on, and can have more columns
SELECT insert_lines('influx_max', E'plain v=1,w=1 1000\nparted v=1 1000\na_view v=2 1000\npart_2 v=3 1600000000000000000');
-- One more has room; the next has none, in the same call or another one
SET influx.max_tables = 4;
SELECT insert_lines('influx_max', E'first v=1 1000\nsecond v=1 1000\nfirst v=2 2000');
SELECT insert_lines('influx_max', E'first v=1 1000\nplain v=2 1000\nfirst v=2,w=2 2000\nfirst,tag=a v=3 3000');
SELECT insert_lines('influx_max', 'second v=1 1000');
SELECT * FROM influx_max.first ORDER BY v;
-- One that was dropped makes room, and so does one that could not be made
DROP TABLE influx_max.first;
SELECT insert_lines('influx_max', E'second v=1 1000');
CREATE DOMAIN influx_max.a_domain AS int;
SELECT insert_lines('influx_max', 'a_domain v=1 1000');
SET influx.max_tables = 5;
SELECT insert_lines('influx_max', 'a_domain v=1 1000');
SELECT insert_lines('influx_max', 'third v=1 1000');
-- Other schemas have their own
CREATE SCHEMA influx_max2;
SELECT insert_lines('influx_max2', E'a v=1 1\nb v=1 1\nc v=1 1\nd v=1 1\ne v=1 1');
SELECT insert_lines('influx_max2', E'a v=1 1\nf v=1 1');
-- None at all
SET influx.max_tables = 0;
SELECT insert_lines('influx_max2', 'a v=2 2'), insert_lines('influx_max2', 'f v=1 1');
SELECT count(*) FROM influx_max2.a;

-- A function of the user is not called beyond the limit; what it makes is its own affair
CREATE FUNCTION influx_max2._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  RAISE NOTICE 'called for %', metric;
  EXECUTE format('CREATE TABLE influx_max2.%I (time timestamptz, v float8)', metric);
  EXECUTE format('CREATE TABLE influx_max2.%I (time timestamptz, v float8)', metric || '_too');
  RETURN NULL;
END $$;
SELECT insert_lines('influx_max2', 'f v=1 1');
SET influx.max_tables = 6;
SELECT insert_lines('influx_max2', 'f v=1 1');
SELECT insert_lines('influx_max2', 'g v=1 1');
SELECT relname FROM pg_class WHERE relnamespace = 'influx_max2'::regnamespace AND relkind = 'r' ORDER BY relname COLLATE "C";
RESET influx.max_tables;
DROP FUNCTION influx_max2._create(name, name[], name[]);

-- Columns: with the time column there are as many as allowed
SET influx.max_columns = 4;
SELECT insert_lines('influx_max', 'four,t=a u=1,v=2 1000');
SELECT insert_lines('influx_max', 'five,t=a u=1,v=2,w=3 1000');
\echo :LAST_ERROR_SQLSTATE
SELECT insert_lines('influx_max', 'four,t=b u=3 2000');
SELECT insert_lines('influx_max', 'four v=4,w=5 3000');
\echo :LAST_ERROR_SQLSTATE
SELECT insert_lines('influx_max', 'four,s=c v=4 3000');
-- Lines that have room each, but not together
SELECT insert_lines('influx_max', E'pair a=1,b=2 1000\npair b=1,c=2 1000\npair d=1 1000');
SELECT to_regclass('influx_max.pair');
-- A dropped one counts: the server counts it too
ALTER TABLE influx_max.four DROP COLUMN u;
SELECT insert_lines('influx_max', 'four w=5 3000');
SELECT * FROM influx_max.four ORDER BY time;
-- A table that has more stays as it is
CREATE TABLE influx_max.six (time timestamptz, a int, b int, c int, d int, e int);
SELECT insert_lines('influx_max', 'six a=1i,e=5i 1000');
SELECT insert_lines('influx_max', 'six a=1i,f=5i 1000');
-- Jsonb takes any number of keys
CREATE TABLE influx_max.loose (_time timestamptz, _tags jsonb, _fields jsonb, v float8);
SELECT insert_lines('influx_max', 'loose,a=1,b=2,c=3,d=4 v=1,w=2,x=3,y=4,z=5 1000');
SELECT * FROM influx_max.loose;
SET influx.layout = json;
SELECT insert_lines('influx_max', 'loose2,a=1,b=2,c=3,d=4 v=1,w=2,x=3,y=4,z=5 1000');
RESET influx.layout;
-- By hand
SELECT _create('influx_max_made', '{a,b}', '{b,c}');
SELECT _create('influx_max_made_not', '{a,b}', '{c,d}');
\echo :LAST_ERROR_SQLSTATE
SELECT to_regclass('public.influx_max_made'), to_regclass('public.influx_max_made_not');
DROP TABLE public.influx_max_made;
RESET influx.max_columns;
-- A flood of keys, at the default
SELECT insert_lines('influx_max', 'wide ' || (SELECT string_agg('k' || i || '=t', ',') FROM generate_series(1, 999) AS i) || ' 1000');
SELECT insert_lines('influx_max', 'wide k1=t,k1000=t 2000');
SELECT insert_lines('influx_max', 'wider ' || (SELECT string_agg('k' || i || '=t', ',') FROM generate_series(1, 10000) AS i) || ' 1000');
SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_max.wide'::regclass AND attnum > 0;
SELECT insert_lines('influx_max', 'loose ' || (SELECT string_agg('k' || i || '=' || i, ',') FROM generate_series(1, 10000) AS i) || ' 2000');
SELECT count(*), sum(value::int) FROM influx_max.loose, jsonb_each(_fields) WHERE v IS NULL;

-- They are limits for an administrator to set, also for a role
CREATE ROLE regress_influx_max;
GRANT USAGE, CREATE ON SCHEMA influx_max TO regress_influx_max;
SET ROLE regress_influx_max;
SET influx.max_tables = 100;
SET influx.max_columns = 100;
ALTER ROLE regress_influx_max SET influx.max_tables = 100;
RESET ROLE;
ALTER ROLE regress_influx_max SET influx.max_tables = 100;
ALTER ROLE regress_influx_max SET influx.max_columns = 100;
SELECT setconfig FROM pg_db_role_setting WHERE setrole = 'regress_influx_max'::regrole;

SET client_min_messages = warning;
DROP SCHEMA influx_max, influx_max2 CASCADE;
DROP ROLE regress_influx_max;
