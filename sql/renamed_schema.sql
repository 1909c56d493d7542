-- A schema that gets another name while a statement that names it is in use, and another one that gets the name
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE SCHEMA influx_renamed;
CREATE TABLE influx_renamed.t (time timestamptz, host text, v float8, PRIMARY KEY (time, host));
-- The rows of a key are written one after the other, by the same plan; the first ones change the names
CREATE FUNCTION influx_renamed.change_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_regnamespace('influx_renamed_away') IS NOT NULL THEN RETURN NULL; END IF;
  ALTER SCHEMA influx_renamed RENAME TO influx_renamed_away;
  CREATE SCHEMA influx_renamed;
  CREATE TABLE influx_renamed.t (time timestamptz, host text, v float8, PRIMARY KEY (time, host));
  CREATE FUNCTION influx_renamed.spy() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''a stranger has run as %'', current_user; END';
  CREATE TRIGGER spy BEFORE INSERT ON influx_renamed.t EXECUTE FUNCTION influx_renamed.spy();
  RETURN NULL;
END $$;
CREATE TRIGGER change_names AFTER INSERT ON influx_renamed.t FOR EACH STATEMENT EXECUTE FUNCTION influx_renamed.change_names();
\set VERBOSITY sqlstate
SELECT insert_lines('influx_renamed', E't,host=a v=1 1000\nt,host=a v=2 1000');
SET influx.row_source = arrays;
SELECT insert_lines('influx_renamed', E't,host=a v=1 1000\nt,host=a v=2 1000');
\set VERBOSITY default
RESET influx.row_source;
SELECT count(*) FROM influx_renamed.t;
-- Where the name is free then, it is an error too
CREATE OR REPLACE FUNCTION influx_renamed.change_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF to_regnamespace('influx_renamed_away') IS NULL THEN ALTER SCHEMA influx_renamed RENAME TO influx_renamed_away; END IF;
  RETURN NULL;
END $$;
SELECT insert_lines('influx_renamed', E't,host=a v=1 1000\nt,host=a v=2 1000');
-- Tables behind the one whose rows change the names are looked at again
CREATE TABLE influx_renamed.later (time timestamptz, v float8);
SELECT insert_lines('influx_renamed', E't,host=a v=1 1000\nlater v=1 1000\nlater,host=new v=2 2000\nnew_one v=3 3000');
SELECT (SELECT count(*) FROM influx_renamed_away.t) AS t, (SELECT count(host) FROM influx_renamed_away.later) AS later,
  (SELECT count(*) FROM influx_renamed_away.new_one) AS new_one;

-- A type whose schema gets another name
CREATE SCHEMA influx_renamed;
CREATE SCHEMA influx_renamed_types;
CREATE TYPE influx_renamed_types.pair AS (a int, b int);
CREATE TABLE influx_renamed.t (time timestamptz, p influx_renamed_types.pair, host text, PRIMARY KEY (time, host));
CREATE FUNCTION influx_renamed.change_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  ALTER SCHEMA influx_renamed_types RENAME TO influx_renamed_types_away;
  CREATE SCHEMA influx_renamed_types;
  CREATE FUNCTION influx_renamed_types.spy(influx_renamed_types_away.pair) RETURNS boolean LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''a stranger has run as %'', current_user; END';
  CREATE DOMAIN influx_renamed_types.pair AS influx_renamed_types_away.pair CHECK (influx_renamed_types.spy(value));
  RETURN NULL;
END $$;
CREATE TRIGGER change_names AFTER INSERT ON influx_renamed.t FOR EACH STATEMENT EXECUTE FUNCTION influx_renamed.change_names();
SET influx.row_source = arrays;
SELECT insert_lines('influx_renamed', E't,host=a p="(1,2)" 1000\nt,host=a p="(3,4)" 1000');
RESET influx.row_source;

SET client_min_messages = warning;
DROP SCHEMA influx_renamed, influx_renamed_away, influx_renamed_types CASCADE;
