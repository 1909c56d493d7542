-- Points of the same key: influx.on_conflict.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
CREATE EXTENSION IF NOT EXISTS citext;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_dup;
LOAD 'influx';
SHOW influx.on_conflict;
-- Stores lines, all with the timestamp 1000.
CREATE FUNCTION influx_dup.put(VARIADIC lines text[]) RETURNS bigint LANGUAGE sql AS $$
  SELECT insert_lines('influx_dup', (SELECT string_agg(line || ' 1000', E'\n' ORDER BY n) FROM unnest(lines) WITH ORDINALITY AS l (line, n)))
$$;

-- A point updates the fields that it brings, and keeps the others; within a batch and after it
CREATE TABLE influx_dup.cpu (time timestamptz, host text, u float8, s float8, note text, PRIMARY KEY (time, host));
SELECT influx_dup.put('cpu,host=a u=1', 'cpu,host=b u=2', 'cpu,host=a s=3', 'cpu,host=a u=4,note="x"', 'cpu,host=b u=5');
TABLE influx_dup.cpu ORDER BY host;
SELECT influx_dup.put('cpu,host=a s=6', 'cpu,host=b note="y"');
TABLE influx_dup.cpu ORDER BY host;
SET influx.row_source = arrays;
SELECT influx_dup.put('cpu,host=a u=7', 'cpu,host=c u=1', 'cpu,host=c s=2', 'cpu,host=c u=3');
RESET influx.row_source;
TABLE influx_dup.cpu ORDER BY host;

-- The other values of the setting, from one call to the next
SET influx.on_conflict = nothing;
SELECT influx_dup.put('cpu,host=a u=8', 'cpu,host=d u=1', 'cpu,host=d u=2');
SET influx.on_conflict = error;
SELECT influx_dup.put('cpu,host=a u=8');
SELECT influx_dup.put('cpu,host=e u=1', 'cpu,host=e u=2');
RESET influx.on_conflict;
TABLE influx_dup.cpu ORDER BY host;

-- Points that fit different plans, for a column with a default: the last line wins all the same
CREATE TABLE influx_dup.plans (time timestamptz, host text, v int, d int DEFAULT 10, e int DEFAULT 20, PRIMARY KEY (time, host));
SELECT influx_dup.put('plans,host=a v=1i', 'plans,host=a v=2i,d=2i', 'plans,host=a v=3i', 'plans,host=b d=1i,v=1i', 'plans,host=b v=2i', 'plans,host=b d=3i,e=3i', 'plans,host=b d=4i');
TABLE influx_dup.plans ORDER BY host;
SET influx.on_conflict = nothing;
SELECT influx_dup.put('plans,host=c v=1i', 'plans,host=c v=2i,d=2i', 'plans,host=d v=1i,d=1i', 'plans,host=d v=2i', 'plans,host=c v=3i');
RESET influx.on_conflict;
SELECT * FROM influx_dup.plans WHERE host > 'b' ORDER BY host;

-- Which index counts. None without the time, with a field, over a part, over an expression, or checked later
CREATE TABLE influx_dup.none (time timestamptz, host text, v int, w int);
CREATE UNIQUE INDEX ON influx_dup.none (time, v);
CREATE UNIQUE INDEX ON influx_dup.none (time, host) WHERE v > 5;
CREATE UNIQUE INDEX ON influx_dup.none (time, lower(host), w);
ALTER TABLE influx_dup.none ADD UNIQUE (time, host, w) DEFERRABLE;
SELECT influx_dup.put('none,host=a v=1i,w=1i', 'none,host=a v=2i,w=2i', 'none,host=a v=3i,w=3i');
SELECT count(*) FROM influx_dup.none;
SELECT influx_dup.put('none,host=b v=1i,w=9i');
-- The same columns twice, once checked later: ON CONFLICT would be refused
CREATE TABLE influx_dup.twice (time timestamptz, host text, v int, UNIQUE (time, host));
ALTER TABLE influx_dup.twice ADD UNIQUE (host, time) DEFERRABLE;
SELECT influx_dup.put('twice,host=a v=1i');
SELECT influx_dup.put('twice,host=a v=2i');
-- As a tag it is a key, as a field not
CREATE TABLE influx_dup.role (time timestamptz, x text, v int, UNIQUE (time, x));
SELECT influx_dup.put('role,x=a v=1i', 'role,x=a v=2i');
SELECT influx_dup.put('role x="a",v=3i');
TABLE influx_dup.role;
-- The primary key first, then fewer columns
CREATE TABLE influx_dup.best (time timestamptz, a text, b text, v int, PRIMARY KEY (time, a, b), UNIQUE (time, a));
SELECT influx_dup.put('best,a=1,b=1 v=1i', 'best,a=1,b=1 v=2i');
SELECT influx_dup.put('best,a=1,b=2 v=3i');
TABLE influx_dup.best;

-- NULL in the key
CREATE TABLE influx_dup.nulls (time timestamptz, host text, v int, UNIQUE (time, host));
CREATE TABLE influx_dup.nulls_equal (time timestamptz, host text, v int, UNIQUE NULLS NOT DISTINCT (time, host));
SELECT influx_dup.put('nulls v=1i', 'nulls v=2i', 'nulls,host=a v=3i', 'nulls,host=a v=4i', 'nulls_equal v=1i', 'nulls_equal v=2i', 'nulls_equal,host=a v=3i', 'nulls_equal v=4i');
TABLE influx_dup.nulls ORDER BY v;
TABLE influx_dup.nulls_equal ORDER BY v;

-- What the key has where the point brings nothing: a constant counts, the next number does not
CREATE TABLE influx_dup.fixed (time timestamptz, host text, zone text NOT NULL DEFAULT 'eu', v int, PRIMARY KEY (time, host, zone));
SELECT influx_dup.put('fixed,host=a v=1i', 'fixed,host=a,zone=eu v=2i', 'fixed,host=a,zone=us v=3i', 'fixed,host=a v=4i', 'fixed,host=b v=5i');
TABLE influx_dup.fixed ORDER BY host, zone;
CREATE TABLE influx_dup.serial (id serial, time timestamptz, host text, v int, PRIMARY KEY (time, id));
SELECT influx_dup.put('serial,host=a v=1i', 'serial,host=a v=2i');
TABLE influx_dup.serial ORDER BY id;
CREATE TABLE influx_dup.made (time timestamptz, host text, lower text GENERATED ALWAYS AS (lower(host)) STORED, v int, PRIMARY KEY (time, lower));
SELECT influx_dup.put('made,host=a v=1i', 'made,host=A v=2i', 'made,host=b v=3i');
TABLE influx_dup.made ORDER BY lower;

-- Equality as the index has it
CREATE COLLATION influx_dup.loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN influx_dup.word AS text CHECK (VALUE <> '');
CREATE TABLE influx_dup.same (time timestamptz, n numeric, c citext, l text COLLATE influx_dup.loose, f float8, w influx_dup.word, j jsonb, b bpchar, i inet, v int,
  UNIQUE NULLS NOT DISTINCT (time, n, c, l, f, w, j, b, i));
SELECT influx_dup.put('same,n=1.0,c=X,l=Abc,f=0,w=w,b=b,i=10.0.0.1 v=1i', 'same,n=1.00,c=x,l=aBC,f=-0,w=w,b=b\ ,i=10.0.0.1/32 v=2i', 'same,n=2,c=x v=3i', 'same,n=2.0,c=X v=4i', 'same,w=w v=5i', 'same,w=W v=6i',
  'same,j={"a":1\,"b":2} v=7i', 'same,j={"b":2\,"a":1} v=8i');
SELECT count(*), array_agg(v ORDER BY v) FROM influx_dup.same;
CREATE TABLE influx_dup.arrays (time timestamptz, a int[], p money, v int, UNIQUE (time, a, p));
SELECT influx_dup.put('arrays,a={1\,2},p=1 v=1i', 'arrays,a={1\,\ 2},p=1.00 v=2i', 'arrays,a={2},p=1 v=3i');
SELECT a, v FROM influx_dup.arrays ORDER BY v;

-- jsonb: members are merged
SET influx.layout = json;
SELECT influx_dup.put('loose,host=a u=1');
RESET influx.layout;
CREATE UNIQUE INDEX ON influx_dup.loose (_time, _tags);
SELECT influx_dup.put('loose,host=a s=2', 'loose,host=a u=3', 'loose,host=b u=4', 'loose,host=b t="x"');
SELECT _tags, _fields FROM influx_dup.loose ORDER BY _tags;
CREATE TABLE influx_dup.extra (time timestamptz, host text, _tags jsonb, _fields jsonb, v int, PRIMARY KEY (time, host));
SELECT influx_dup.put('extra,host=a v=1i', 'extra,host=a,rack=1 x=1', 'extra,host=a,unit=2 y=2', 'extra,host=a v=2i');
TABLE influx_dup.extra;

-- Partitions, views, rules
CREATE TABLE influx_dup.parted (time timestamptz, host text, v int, w int, PRIMARY KEY (host, time)) PARTITION BY LIST (host);
CREATE TABLE influx_dup.parted_a PARTITION OF influx_dup.parted FOR VALUES IN ('a');
CREATE TABLE influx_dup.parted_b PARTITION OF influx_dup.parted FOR VALUES IN ('b');
SELECT influx_dup.put('parted,host=a v=1i', 'parted,host=b v=2i', 'parted,host=a w=3i');
SELECT tableoid::regclass, * FROM influx_dup.parted ORDER BY host;
CREATE VIEW influx_dup.view AS SELECT time, host, v FROM influx_dup.parted;
SELECT influx_dup.put('view,host=a v=9i');
CREATE TABLE influx_dup.ruled (time timestamptz PRIMARY KEY, v int);
CREATE RULE also AS ON UPDATE TO influx_dup.ruled DO ALSO NOTHING;
SELECT influx_dup.put('ruled v=1i');
SELECT influx_dup.put('ruled v=2i');

-- An index that comes and goes
CREATE TABLE influx_dup.later (time timestamptz, host text, v int, w int);
SELECT influx_dup.put('later,host=a v=1i', 'later,host=b v=1i');
CREATE UNIQUE INDEX later_key ON influx_dup.later (time, host);
SELECT influx_dup.put('later,host=a w=2i');
DROP INDEX influx_dup.later_key;
SELECT influx_dup.put('later,host=a w=3i');
TABLE influx_dup.later ORDER BY host, w;

-- Triggers: they see an INSERT or an UPDATE, and may change a key
CREATE TABLE influx_dup.keyed (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host));
CREATE FUNCTION influx_dup.fold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN new.host := lower(new.host); RETURN new; END $$;
CREATE TRIGGER fold BEFORE INSERT ON influx_dup.keyed FOR EACH ROW EXECUTE FUNCTION influx_dup.fold();
INSERT INTO influx_dup.keyed VALUES ('1970-01-01', 'b', 0, 0);
SELECT influx_dup.put('keyed,host=a v=1i');
SELECT influx_dup.put('keyed,host=A v=2i');
TABLE influx_dup.keyed ORDER BY host, v;

-- Rights: with INSERT only, points are inserted; a duplicate is the error of the server
CREATE ROLE influx_dup_loader;
GRANT USAGE ON SCHEMA influx_dup TO influx_dup_loader;
GRANT EXECUTE ON FUNCTION insert_lines TO influx_dup_loader;
CREATE TABLE influx_dup.guarded (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host));
GRANT INSERT ON influx_dup.guarded TO influx_dup_loader;
SET ROLE influx_dup_loader;
SELECT influx_dup.put('guarded,host=a v=1i', 'guarded,host=b w=1i');
SELECT influx_dup.put('guarded,host=a v=2i');
RESET ROLE;
GRANT SELECT, UPDATE (v) ON influx_dup.guarded TO influx_dup_loader;
SET ROLE influx_dup_loader;
SELECT influx_dup.put('guarded,host=a v=2i');
SELECT influx_dup.put('guarded,host=a w=2i');
SET influx.on_conflict = nothing;
SELECT influx_dup.put('guarded,host=a w=2i');
RESET influx.on_conflict;
RESET ROLE;
-- Policies for INSERT only
ALTER TABLE influx_dup.guarded ENABLE ROW LEVEL SECURITY;
GRANT UPDATE ON influx_dup.guarded TO influx_dup_loader;
CREATE POLICY add ON influx_dup.guarded FOR INSERT TO influx_dup_loader WITH CHECK (true);
SET ROLE influx_dup_loader;
SELECT influx_dup.put('guarded,host=c v=1i');
SELECT influx_dup.put('guarded,host=c v=2i');
RESET ROLE;
CREATE POLICY "all" ON influx_dup.guarded TO influx_dup_loader USING (host <> 'a');
SET ROLE influx_dup_loader;
SELECT influx_dup.put('guarded,host=c v=3i');
SELECT influx_dup.put('guarded,host=a v=3i');
RESET ROLE;
TABLE influx_dup.guarded ORDER BY host;

-- Lines that were refused, stored when their table takes them
CREATE TABLE influx_dup.again (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host));
SELECT influx_dup.put('again,host=a v=1i');
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
  SELECT now(), 'influx_dup', 8089, current_user, 'ns', convert_to(line, 'UTF8'), '23505', 'test' FROM unnest(ARRAY['again,host=a w=2i 1000', 'again,host=a w=3i 1000', 'again,host=b v=1i 1000']) AS line;
SELECT * FROM influx_replay();
TABLE influx_dup.again ORDER BY host;
-- A trigger that makes one key of many: each line is stored in order
CREATE TABLE influx_dup.folded (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host));
CREATE TRIGGER fold BEFORE INSERT ON influx_dup.folded FOR EACH ROW EXECUTE FUNCTION influx_dup.fold();
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
  SELECT now(), 'influx_dup', 8089, current_user, 'ns', convert_to(line, 'UTF8'), '23505', 'test' FROM unnest(ARRAY['folded,host=a v=1i,w=1i 1000', 'folded,host=a v=2i 1000', 'folded,host=A v=3i 1000', 'folded,host=b v=4i 1000', 'folded,host=B v=5i 1000']) AS line;
SELECT * FROM influx_replay();
TABLE influx_dup.folded ORDER BY host;

-- The same over several plans: two layers would store the second line last
CREATE TABLE influx_dup.reordered (time timestamptz, host text, v int, d int DEFAULT 10, PRIMARY KEY (time, host));
CREATE TRIGGER fold BEFORE INSERT ON influx_dup.reordered FOR EACH ROW EXECUTE FUNCTION influx_dup.fold();
SELECT influx_dup.put('reordered,host=a v=1i', 'reordered,host=a v=2i', 'reordered,host=A v=3i,d=3i', 'reordered,host=b v=4i');
TABLE influx_dup.reordered ORDER BY host;

-- Points of one key are combined in memory, but not where something sees them one by one
CREATE TABLE influx_dup.seen (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host));
SELECT influx_dup.put('seen,host=z v=0i,w=0i', 'seen,host=a v=1i', 'seen,host=a w=1i', 'seen,host=a v=2i', 'seen,host=b v=3i');
SELECT host, v, w, xmax <> 0 AS updated FROM influx_dup.seen ORDER BY host;
CREATE TABLE influx_dup.events (n serial, event text, v int, w int);
CREATE FUNCTION influx_dup.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO influx_dup.events (event, v, w) VALUES (tg_op, new.v, new.w); RETURN new; END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE ON influx_dup.seen FOR EACH ROW EXECUTE FUNCTION influx_dup.note();
SELECT influx_dup.put('seen,host=c v=1i', 'seen,host=c w=1i', 'seen,host=c v=2i');
SELECT event, v, w FROM influx_dup.events ORDER BY n;
CREATE TABLE influx_dup.checked (time timestamptz, host text, v int CHECK (v < 100), w int, PRIMARY KEY (time, host));
SELECT influx_dup.put('checked,host=a v=100i', 'checked,host=a v=1i');
CREATE TABLE influx_dup.scaled (time timestamptz, host text, v numeric(3,1), w int, PRIMARY KEY (time, host));
SELECT influx_dup.put('scaled,host=a v=1', 'scaled,host=a v=2');
SELECT host, v, xmax <> 0 AS updated FROM influx_dup.scaled;
SELECT influx_dup.put('scaled,host=a v=100', 'scaled,host=a v=1');
CREATE TABLE influx_dup.required (time timestamptz, host text, v int NOT NULL, w int, PRIMARY KEY (time, host));
SELECT influx_dup.put('required,host=z v=0i,w=0i', 'required,host=a v=1i', 'required,host=a v=2i,w=1i', 'required,host=b v=3i');
SELECT host, v, w, xmax <> 0 AS updated FROM influx_dup.required ORDER BY host;
SELECT influx_dup.put('required,host=a v=3i', 'required,host=a w=2i', 'required,host=a v=4i');
CREATE TABLE influx_dup.second (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host), UNIQUE (time, v));
SELECT influx_dup.put('second,host=a v=1i', 'second,host=b v=1i', 'second,host=b v=2i');

-- Refused lines among duplicates, stored again: only they stay, also where each plan takes arrays
CREATE TABLE influx_dup.mixed (time timestamptz, host text, v int, d int DEFAULT 5 CHECK (d < 100), PRIMARY KEY (time, host));
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
  SELECT now(), 'influx_dup', 8089, current_user, 'ns', convert_to(line || ' 1000', 'UTF8'), '23514', 'test'
    FROM unnest(ARRAY['mixed,host=a v=1i', 'mixed,host=a v=2i,d=100i', 'mixed,host=b v=3i,d=4i', 'mixed,host=a v=5i,d=6i', 'mixed,host=b v=7i', 'mixed,host=c d=100i', 'mixed,host=a v=8i']) AS line;
SET influx.row_source = arrays;
SELECT * FROM influx_replay();
RESET influx.row_source;
TABLE influx_dup.mixed ORDER BY host;
SELECT convert_from(line, 'UTF8') AS line, sqlstate FROM influx_rejects ORDER BY 1;
DELETE FROM influx_rejects;

SET client_min_messages = warning;
DROP SCHEMA influx_dup CASCADE;
DROP EXTENSION citext;
REVOKE ALL ON FUNCTION insert_lines FROM influx_dup_loader;
DROP ROLE influx_dup_loader;
