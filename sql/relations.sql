-- Tables of every sort, with all that a plain INSERT sets off.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_rel;

-- Partitioned, in two levels, by other columns than time too
CREATE TABLE influx_rel.parted (time timestamptz, host text, v float8) PARTITION BY LIST (host);
CREATE TABLE influx_rel.parted_a PARTITION OF influx_rel.parted FOR VALUES IN ('a') PARTITION BY RANGE (time);
CREATE TABLE influx_rel.parted_a1 PARTITION OF influx_rel.parted_a FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
CREATE TABLE influx_rel.parted_a2 (v float8, host text, gone int, time timestamptz);
ALTER TABLE influx_rel.parted_a2 DROP gone;
ALTER TABLE influx_rel.parted_a ATTACH PARTITION influx_rel.parted_a2 FOR VALUES FROM ('2020-01-01') TO (MAXVALUE);
CREATE TABLE influx_rel.parted_rest PARTITION OF influx_rel.parted DEFAULT;
SELECT insert_lines('influx_rel', E'parted,host=a v=1 1\nparted,host=a v=2 1600000000\nparted,host=b v=3 1\nparted v=4 1\nparted,host=a v=5,w=6 1600000000', 's');
SELECT tableoid::regclass, * FROM influx_rel.parted ORDER BY v;
-- A partition is a table like any other, but for what its own bounds refuse and its parent decides
SELECT insert_lines('influx_rel', 'parted_rest,host=c v=7 1', 's');
SELECT insert_lines('influx_rel', 'parted_a1,host=b v=8 1', 's');
SELECT insert_lines('influx_rel', 'parted_rest,host=c x=7 1', 's');

-- A view that can be written to
CREATE TABLE influx_rel.below (id int GENERATED ALWAYS AS IDENTITY, time timestamptz, host text DEFAULT 'nobody', v float8, note text DEFAULT 'below');
CREATE VIEW influx_rel.above AS SELECT time, host, v FROM influx_rel.below WHERE v >= 0 WITH CHECK OPTION;
SELECT insert_lines('influx_rel', E'above,host=a v=1 1000\nabove v=2 2000');
SELECT insert_lines('influx_rel', 'above v=-1 3000');
SELECT insert_lines('influx_rel', 'above w=1 3000');
SELECT time, host, v, note FROM influx_rel.below ORDER BY time;
-- and one that is written to by a trigger
CREATE VIEW influx_rel.sums AS SELECT max(time) AS time, host, sum(v) AS v FROM influx_rel.below GROUP BY host;
CREATE FUNCTION influx_rel.instead() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO influx_rel.below (time, host, v) VALUES (new.time, new.host, new.v * 10);
  RETURN new;
END $$;
CREATE TRIGGER instead INSTEAD OF INSERT ON influx_rel.sums FOR EACH ROW EXECUTE FUNCTION influx_rel.instead();
SELECT insert_lines('influx_rel', E'sums,host=a v=5 4000\nsums,host=b v=6 4000');
SELECT * FROM influx_rel.sums ORDER BY host;

-- Triggers: one that changes, one that drops a row, one behind, one for the whole statement
CREATE TABLE influx_rel.triggered (time timestamptz, v float8, doubled float8);
CREATE TABLE influx_rel.seen (n serial, what text);
CREATE FUNCTION influx_rel.before_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.v < 0 THEN RETURN NULL; END IF;
  IF new.v > 100 THEN RAISE EXCEPTION 'v is too large' USING DETAIL = new.v; END IF;
  new.doubled := new.v * 2;
  RETURN new;
END $$;
CREATE FUNCTION influx_rel.after_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO influx_rel.seen (what) VALUES ('row ' || new.v);
  RETURN NULL;
END $$;
CREATE FUNCTION influx_rel.after_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO influx_rel.seen (what) SELECT format('%s rows, sum %s', count(*), sum(v)) FROM influx_batch;
  RETURN NULL;
END $$;
CREATE TRIGGER before_row BEFORE INSERT ON influx_rel.triggered FOR EACH ROW EXECUTE FUNCTION influx_rel.before_row();
CREATE TRIGGER after_row AFTER INSERT ON influx_rel.triggered FOR EACH ROW EXECUTE FUNCTION influx_rel.after_row();
CREATE TRIGGER after_statement AFTER INSERT ON influx_rel.triggered REFERENCING NEW TABLE AS influx_batch
  FOR EACH STATEMENT EXECUTE FUNCTION influx_rel.after_statement();
SELECT insert_lines('influx_rel', E'triggered v=1 1000\ntriggered v=-1 2000\ntriggered v=3 3000');
SELECT * FROM influx_rel.triggered ORDER BY time;
SELECT what FROM influx_rel.seen ORDER BY n;
SELECT insert_lines('influx_rel', E'triggered v=4 4000\ntriggered v=101 5000');
SELECT count(*) FROM influx_rel.triggered;
-- A constraint trigger that waits for the end of the transaction
CREATE TABLE influx_rel.late (time timestamptz, v float8);
CREATE FUNCTION influx_rel.late() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'too late for %', new.v; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON influx_rel.late DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW WHEN (new.v > 1) EXECUTE FUNCTION influx_rel.late();
SELECT insert_lines('influx_rel', 'late v=1 1000');
BEGIN;
SELECT insert_lines('influx_rel', 'late v=2 2000');
COMMIT;
SELECT v FROM influx_rel.late;

-- Rules
CREATE TABLE influx_rel.also (time timestamptz, v float8);
CREATE TABLE influx_rel.copies (time timestamptz, v float8);
CREATE RULE also AS ON INSERT TO influx_rel.also DO ALSO INSERT INTO influx_rel.copies VALUES (new.time, new.v + 10);
SELECT insert_lines('influx_rel', E'also v=1 1000\nalso v=2 2000');
SELECT * FROM influx_rel.also ORDER BY time;
SELECT * FROM influx_rel.copies ORDER BY time;
CREATE TABLE influx_rel.elsewhere (time timestamptz, v float8);
CREATE RULE elsewhere AS ON INSERT TO influx_rel.elsewhere DO INSTEAD INSERT INTO influx_rel.copies VALUES (new.time, new.v + 20);
CREATE TABLE influx_rel.nowhere (time timestamptz, v float8);
CREATE RULE nowhere AS ON INSERT TO influx_rel.nowhere DO INSTEAD NOTHING;
CREATE TABLE influx_rel.sometimes (time timestamptz, v float8);
CREATE RULE sometimes AS ON INSERT TO influx_rel.sometimes WHERE new.v > 1 DO INSTEAD INSERT INTO influx_rel.copies VALUES (new.time, new.v + 30);
SELECT insert_lines('influx_rel', E'elsewhere v=3 3000\nnowhere v=4 4000\nsometimes v=1 5000\nsometimes v=2 6000');
SELECT v FROM influx_rel.copies ORDER BY time;
SELECT count(*) AS elsewhere, (SELECT count(*) FROM influx_rel.nowhere) AS nowhere, (SELECT count(*) FROM influx_rel.sometimes) AS sometimes FROM influx_rel.elsewhere;

-- Foreign keys, at once and at the end
CREATE TABLE influx_rel.hosts (name text PRIMARY KEY);
INSERT INTO influx_rel.hosts VALUES ('a');
CREATE TABLE influx_rel.keyed (time timestamptz, host text REFERENCES influx_rel.hosts, v float8);
SELECT insert_lines('influx_rel', E'keyed,host=a v=1 1000\nkeyed v=2 2000');
SELECT insert_lines('influx_rel', E'keyed,host=a v=3 3000\nkeyed,host=b v=4 4000');
ALTER TABLE influx_rel.keyed ALTER CONSTRAINT keyed_host_fkey DEFERRABLE INITIALLY DEFERRED;
BEGIN;
SELECT insert_lines('influx_rel', 'keyed,host=b v=5 5000'), insert_lines('influx_rel', 'hosts name="b" 5000');
ROLLBACK;
BEGIN;
SELECT insert_lines('influx_rel', 'keyed,host=b v=5 5000');
INSERT INTO influx_rel.hosts VALUES ('b');
COMMIT;
BEGIN;
SELECT insert_lines('influx_rel', 'keyed,host=c v=6 6000');
COMMIT;
SELECT host, v FROM influx_rel.keyed ORDER BY time;

-- Row security
CREATE TABLE influx_rel.secured (time timestamptz, owner name DEFAULT current_user, v float8);
ALTER TABLE influx_rel.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON influx_rel.secured FOR INSERT WITH CHECK (owner = current_user AND v < 10);
CREATE ROLE regress_influx_secured;
GRANT USAGE ON SCHEMA influx_rel TO regress_influx_secured;
GRANT INSERT ON influx_rel.secured TO regress_influx_secured;
SET ROLE regress_influx_secured;
SELECT insert_lines('influx_rel', E'secured v=1 1000\nsecured,owner=regress_influx_secured v=2 2000');
SELECT insert_lines('influx_rel', 'secured,owner=postgres v=3 3000');
SELECT insert_lines('influx_rel', E'secured v=4 4000\nsecured v=50 5000');
RESET ROLE;
SELECT insert_lines('influx_rel', 'secured,owner=anybody v=60 6000');
SELECT owner, v FROM influx_rel.secured ORDER BY v;

-- Unlogged, inherited, of a type
CREATE UNLOGGED TABLE influx_rel.unlogged (time timestamptz, v float8);
CREATE TABLE influx_rel.parent (time timestamptz NOT NULL, v float8 DEFAULT 7, n int);
CREATE TABLE influx_rel.child (extra text) INHERITS (influx_rel.parent);
CREATE TYPE influx_rel.shape AS (time timestamptz, v float8);
CREATE TABLE influx_rel.of_type OF influx_rel.shape;
SELECT insert_lines('influx_rel', E'unlogged v=1 1000\nparent n=1i 1000\nchild n=2i,extra="x" 2000\nchild v=3 3000\nof_type v=1 1000');
SELECT tableoid::regclass, * FROM influx_rel.parent ORDER BY time;
SELECT insert_lines('influx_rel', 'parent,new=t v=4 4000'), insert_lines('influx_rel', 'child,own=c v=5 5000');
SELECT * FROM influx_rel.child ORDER BY time;
SELECT insert_lines('influx_rel', 'of_type w=1 1000');

-- Changed between two calls of one session
CREATE TABLE influx_rel.changed (time timestamptz, v float8);
SELECT insert_lines('influx_rel', 'changed v=1 1000');
ALTER TABLE influx_rel.changed ADD w int, ALTER v TYPE text;
SELECT insert_lines('influx_rel', 'changed v=2.50,w=2i 2000');
ALTER TABLE influx_rel.changed DROP w;
SELECT insert_lines('influx_rel', 'changed v=3,w="text again" 3000');
ALTER TABLE influx_rel.changed RENAME w TO x;
SELECT insert_lines('influx_rel', 'changed v=4,x="x",w=t 4000');
ALTER TABLE influx_rel.changed ALTER w SET DEFAULT false, ADD _fields jsonb;
ALTER TABLE influx_rel.changed RENAME COLUMN time TO _time;
SELECT insert_lines('influx_rel', 'changed time=5,y=6 5000');
SELECT * FROM influx_rel.changed ORDER BY _time;
ALTER TABLE influx_rel.changed RENAME TO renamed;
SELECT insert_lines('influx_rel', 'changed v=1i 6000'), insert_lines('influx_rel', 'renamed y=7 6000');
SELECT * FROM influx_rel.changed;
SELECT _fields FROM influx_rel.renamed WHERE _fields ? 'y' ORDER BY _time;
DROP TABLE influx_rel.changed;
SELECT insert_lines('influx_rel', 'changed v="new" 7000');
SELECT * FROM influx_rel.changed;
DROP TABLE influx_rel.changed;
CREATE VIEW influx_rel.changed AS SELECT time, v FROM influx_rel.below;
SELECT insert_lines('influx_rel', 'changed v=8 8000');
SELECT v FROM influx_rel.below WHERE time = '1970-01-01 00:00:00.000008+00';
-- The same within one function
SET client_min_messages = warning;
DO $$
BEGIN
  FOR i IN 1 .. 4 LOOP
    DROP TABLE IF EXISTS influx_rel.again;
    PERFORM insert_lines('influx_rel', format('again v%s=%si %s', i, i, i));
    EXECUTE format('ALTER TABLE influx_rel.again ALTER v%s TYPE text', i);
    PERFORM insert_lines('influx_rel', format('again v%s="x",more=%s %s', i, i, i));
  END LOOP;
END $$;
RESET client_min_messages;
SELECT * FROM influx_rel.again ORDER BY v4;
-- A trigger that changes its own table, and one that drops the next
CREATE TABLE influx_rel.first (time timestamptz, v float8);
CREATE TABLE influx_rel.second (time timestamptz, v float8);
CREATE FUNCTION influx_rel.change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  ALTER TABLE influx_rel.second ALTER v TYPE text;
  RETURN NULL;
END $$;
CREATE TRIGGER change AFTER INSERT ON influx_rel.first FOR EACH STATEMENT EXECUTE FUNCTION influx_rel.change();
SELECT insert_lines('influx_rel', E'first v=1 1000\nsecond v=1.50 1000');
SELECT v FROM influx_rel.second;
CREATE OR REPLACE FUNCTION influx_rel.change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DROP TABLE influx_rel.second;
  RETURN NULL;
END $$;
SELECT insert_lines('influx_rel', E'first v=2 2000\nsecond v=2.50 2000');
SELECT v, pg_typeof(v) FROM influx_rel.second;
CREATE OR REPLACE FUNCTION influx_rel.change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  ALTER TABLE influx_rel.first ADD w int;
  RETURN NULL;
END $$;
SELECT insert_lines('influx_rel', 'first v=3 3000');

-- A table of the name that the batch has inside
CREATE TABLE influx_rel.influx_batch (time timestamptz, v float8);
SET search_path = influx_rel, public;
SELECT insert_lines('influx_rel', E'influx_batch v=1 1000\ninflux_batch v=2 2000');
RESET search_path;
SELECT v FROM influx_rel.influx_batch ORDER BY v;

-- Names are found in the schema only, and functions in pg_catalog
CREATE SCHEMA influx_rel_trap;
CREATE FUNCTION influx_rel_trap.unnest(anyarray) RETURNS SETOF anyelement LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
CREATE TYPE influx_rel_trap.timestamptz AS ENUM ('trapped');
CREATE TYPE influx_rel_trap.float8 AS ENUM ('trapped');
CREATE TYPE influx_rel_trap.text AS ENUM ('trapped');
SET search_path = influx_rel_trap, pg_catalog, public;
SELECT insert_lines('influx_rel', 'trap,t=a v=1,s="x" 1000');
SELECT insert_lines('influx_rel', 'trap,u=a w=1 1000');
SET influx.row_source = arrays;
SELECT insert_lines('influx_rel', 'trap,t=a v=1 1000');
RESET influx.row_source;
RESET search_path;
\d influx_rel.trap

SET client_min_messages = warning;
DROP SCHEMA influx_rel, influx_rel_trap CASCADE;
DROP ROLE regress_influx_secured;
