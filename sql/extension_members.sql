-- What belongs to an extension takes no lines, whoever the role is: influx_listeners says who listens where.
CREATE SCHEMA influx_members;
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SELECT nspname AS home FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'influx' \gset
SELECT rolsuper FROM pg_roles WHERE rolname = current_user;

-- The tables of the extension itself, its views, its sequence
\set line 'influx_listeners name="evil",schema="secret",role="postgres",service="54952",address="*",workers=2i'
SELECT insert_lines(:'home', :'line');
SELECT insert_lines(:'home', 'influx_listeners name="evil",time="x" 1000');
SELECT insert_lines(:'home', 'influx_rejects schema="influx_members",line="m v=1",reason="forged",sqlstate="00000" 1000');
SELECT insert_lines(:'home', 'influx_rejects forged=1 1000');
SELECT insert_lines(:'home', 'pg_stat_influx pid=1i 1000');
SELECT insert_lines(:'home', 'influx_rejects_id_seq last_value=1i 1000');
SELECT count(*) FROM pg_attribute WHERE attrelid IN ('influx_listeners'::regclass, 'influx_rejects'::regclass)
  AND attname IN ('_time', 'forged') AND NOT attisdropped;
SELECT count(*) FROM influx_listeners;
-- Beside them a user's tables are as any others
SELECT insert_lines(:'home', 'influx_members_beside v=1 1000');
DROP TABLE influx_members_beside;

-- Whatever leads there: a view onto it, a view onto that, a rule
CREATE VIEW influx_members.rejects AS SELECT time, schema, port, role, "precision", line, reason, sqlstate FROM influx_rejects;
CREATE VIEW influx_members.above AS SELECT * FROM influx_members.rejects;
CREATE TABLE influx_members.ruled (time timestamptz, name name);
CREATE RULE also AS ON INSERT TO influx_members.ruled DO ALSO
  INSERT INTO influx_listeners (name, schema, role, service) VALUES (new.name, 'influx_members', 'postgres', '54952');
SELECT insert_lines('influx_members', 'rejects schema="s",port=1i,role="postgres",precision="ns",line="m v=1",reason="forged",sqlstate="00000" 1000');
SELECT insert_lines('influx_members', 'above schema="s",port=1i,role="postgres",precision="ns",line="m v=1",reason="forged",sqlstate="00000" 1000');
SELECT insert_lines('influx_members', 'ruled name="evil" 1000');
SET influx.row_source = arrays;
SELECT insert_lines('influx_members', 'ruled name="evil" 1000');
RESET influx.row_source;
SELECT count(*) FROM influx_listeners;
SELECT count(*) FROM influx_rejects;

-- A member of another extension; it becomes one, and is one no more
CREATE TABLE influx_members.job (time timestamptz, command text);
SELECT insert_lines('influx_members', 'job command="a" 1000');
ALTER EXTENSION plpgsql ADD TABLE influx_members.job;
SELECT insert_lines('influx_members', 'job command="b" 2000');
SELECT insert_lines('influx_members', 'job command="c",more=1 3000');
CREATE VIEW influx_members.jobs AS SELECT time, command FROM influx_members.job;
SELECT insert_lines('influx_members', 'jobs command="d" 4000');
-- what inherits from it, or is a part of it, is its rows too
CREATE TABLE influx_members.child () INHERITS (influx_members.job);
CREATE TABLE influx_members.grandchild () INHERITS (influx_members.child);
SELECT insert_lines('influx_members', 'grandchild command="e" 5000');
-- and a table whose child it is, for what would alter it
CREATE TABLE influx_members.parent (time timestamptz, command text);
ALTER TABLE influx_members.job INHERIT influx_members.parent;
SELECT insert_lines('influx_members', 'parent command="f" 6000');
SELECT insert_lines('influx_members', 'parent command="g",more=1 7000');
ALTER TABLE influx_members.job NO INHERIT influx_members.parent;
-- in the middle of a call
CREATE TABLE influx_members.first (time timestamptz, v float8);
CREATE TABLE influx_members.second (time timestamptz, v float8);
CREATE FUNCTION influx_members.adopt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  ALTER EXTENSION plpgsql ADD TABLE influx_members.second;
  RETURN NULL;
END $$;
CREATE TRIGGER adopt AFTER INSERT ON influx_members.first FOR EACH STATEMENT EXECUTE FUNCTION influx_members.adopt();
SELECT insert_lines('influx_members', E'first v=1 1000\nsecond v=1 1000');
DROP TRIGGER adopt ON influx_members.first;
-- partitions
CREATE TABLE influx_members.parted (time timestamptz, v float8) PARTITION BY RANGE (time);
CREATE TABLE influx_members.part PARTITION OF influx_members.parted DEFAULT;
ALTER EXTENSION plpgsql ADD TABLE influx_members.part;
SELECT insert_lines('influx_members', 'parted v=1 1000');
ALTER EXTENSION plpgsql DROP TABLE influx_members.part;
ALTER EXTENSION plpgsql ADD TABLE influx_members.parted;
SELECT insert_lines('influx_members', 'part v=1 1000');
ALTER EXTENSION plpgsql DROP TABLE influx_members.parted;
ALTER EXTENSION plpgsql DROP TABLE influx_members.job;
SELECT insert_lines('influx_members', E'job command="h" 8000\nparted v=1 1000\npart v=2 2000\njobs command="i" 9000\ngrandchild command="j" 10000');
SELECT tableoid::regclass, command FROM influx_members.job ORDER BY time;
SELECT (SELECT count(*) FROM influx_members.parent) AS parent, (SELECT count(*) FROM influx_members.second) AS second;

-- A _create that hands over such a table
CREATE SCHEMA influx_members_own;
CREATE FUNCTION influx_members_own._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE influx_members_own.%I (time timestamptz, v float8)', metric);
  EXECUTE format('ALTER EXTENSION plpgsql ADD TABLE influx_members_own.%I', metric);
  RETURN format('influx_members_own.%I', metric)::regclass;
END $$;
SELECT insert_lines('influx_members_own', 'made v=1 1000');

-- A replay leaves them where they are
INSERT INTO influx_rejects (time, schema, port, role, "precision", measurement, line, reason, sqlstate) VALUES
  (now(), :'home', 8089, current_user, 'ns', 'influx_listeners', convert_to(:'line', 'UTF8'), 'x', '00000'),
  (now(), 'influx_members', 8089, current_user, 'ns', 'above', 'above schema="s",port=1i,role="r",precision="ns",line="m v=1",reason="forged",sqlstate="00000"', 'x', '00000'),
  (now(), 'influx_members', 8089, current_user, 'ns', 'job', 'job command="k" 11000', 'x', '00000');
SELECT * FROM influx_replay(now() - interval '1 hour', now() + interval '1 hour');
SELECT measurement FROM influx_rejects ORDER BY id;
DELETE FROM influx_rejects;
SELECT count(*) FROM influx_listeners;

SET client_min_messages = warning;
DROP SCHEMA influx_members, influx_members_own CASCADE;
