-- insert_lines(): all of a text or nothing, in the caller's transaction and with the caller's rights.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_insert;

-- A new table, typed by the values that came first
SELECT insert_lines('influx_insert', E'cpu,host=a,core=0 usage=1.5,ticks=12i,total=18446744073709551615u,busy=t,note="x" 1000\ncpu,host=b usage=2 2000\n');
\d influx_insert.cpu
SELECT * FROM influx_insert.cpu ORDER BY time;
-- Another text adds columns, by what it has first
SELECT insert_lines('influx_insert', E'cpu,host=a,rack=r1 usage=3,extra=7i 3000\ncpu,host=a extra=8i,more=TRUE,words="x y" 4000');
\d influx_insert.cpu
SELECT * FROM influx_insert.cpu ORDER BY time;
-- Several tables, and columns that come later in the same text
SELECT insert_lines('influx_insert', E'mem,host=a free=1i 1\ndisk,host=a free=2i 2\nmem,host=b free=3i,used=4i 3\n# comment\n\ndisk,host=b,dev=sda free=5i 4\nmem free=6i 5');
SELECT * FROM influx_insert.mem ORDER BY time, free;
SELECT * FROM influx_insert.disk ORDER BY time, free;
-- No row is lost where the table changes under the rows of the same text
CREATE TABLE influx_insert.grows (time timestamptz, v float8);
SELECT insert_lines('influx_insert', E'grows v=1 1\ngrows v=2,w=2 2\ngrows v=3 3\ngrows v=4,w=4,x=4 4\ngrows v=5 5\nother v=1 1\ngrows v=6,y=6 6\ngrows v=7 7');
SELECT * FROM influx_insert.grows ORDER BY v;
SELECT insert_lines('influx_insert', E'grows v=8 8\nother v=2 2\ngrows z=9 9\nother w=3 3\ngrows v=10 10');
SELECT v, z FROM influx_insert.grows WHERE v > 7 OR v IS NULL ORDER BY time, v;
SELECT v, w FROM influx_insert.other ORDER BY v;
-- Lines are stored as often as they are sent
SELECT insert_lines('influx_insert', E'twice v=1 1\ntwice v=1 1');
SELECT count(*) FROM influx_insert.twice;

-- Units
SELECT insert_lines('influx_insert', 'unit v=1 1465839830', 's'), insert_lines('influx_insert', 'unit v=2 1465839830100', 'ms'),
       insert_lines('influx_insert', 'unit v=3 1465839830100400', "precision" => 'us'), insert_lines('influx_insert', 'unit v=4 -1'),
       insert_lines('influx_insert', 'unit v=5 406922', 'h'), insert_lines('influx_insert', 'unit v=6 24415320', 'm'), insert_lines('influx_insert', 'unit v=7 1465839830', 'auto');
SELECT * FROM influx_insert.unit ORDER BY v;
SELECT insert_lines('influx_insert', 'unit v=1 1', 'week');

-- Nothing to do
SELECT insert_lines('influx_insert', '');
SELECT insert_lines('influx_insert', E'\n# comment\r\n  \n');
SELECT insert_lines(NULL, 'never v=1'), insert_lines('influx_insert', NULL), insert_lines('influx_insert', 'never v=1', NULL);
SELECT to_regclass('influx_insert.never');

-- Without a timestamp it is the time of the statement
BEGIN;
SELECT pg_sleep(0.01);
SELECT insert_lines('influx_insert', E'clock v=1\nclock v=2');
SELECT count(*), count(DISTINCT time), bool_and(time > now() AND time <= clock_timestamp()) AS fits FROM influx_insert.clock;
ROLLBACK;

-- One bad line, and nothing is stored, made or changed
SELECT insert_lines('influx_insert', E'cpu usage=4 5000\nbad v=1 1\ncpu usage=oops 6000\ncpu usage=5 7000');
SELECT insert_lines('influx_insert', E'cpu,newtag=a usage=4,newfield=1 5000\nfresh v=1 1\ncpu host="a" 6000\ncpu usage="text" 6000');
SELECT insert_lines('influx_insert', E'fresh v=1 1\nfresh v="a" 2');
SELECT count(*) FROM influx_insert.cpu;
SELECT to_regclass('influx_insert.bad'), to_regclass('influx_insert.fresh');
SELECT attname FROM pg_attribute WHERE attrelid = 'influx_insert.cpu'::regclass AND attname LIKE 'new%';

-- In a transaction block: seen at once, gone with it
BEGIN;
SELECT insert_lines('influx_insert', 'tx v=1 1');
SELECT insert_lines('influx_insert', 'tx v=2,w=1i 2');
SELECT * FROM influx_insert.tx ORDER BY time;
ROLLBACK;
SELECT to_regclass('influx_insert.tx');
-- A savepoint brings back the table as it was, also for the next call
CREATE TABLE influx_insert.saved (time timestamptz, v float8);
BEGIN;
SELECT insert_lines('influx_insert', 'saved v=1 1');
SAVEPOINT before;
SELECT insert_lines('influx_insert', 'saved v=2,w=2 2');
ROLLBACK TO before;
SELECT insert_lines('influx_insert', 'saved v=3,w="three" 3');
SELECT insert_lines('influx_insert', 'saved v=oops 4');
ROLLBACK TO before;
SELECT insert_lines('influx_insert', 'saved v=5 5');
COMMIT;
SELECT * FROM influx_insert.saved ORDER BY time;

-- From PL/pgSQL, with an error that is handled, and one after which the function goes on
DO $$
DECLARE
  message text; detail text; hint text; state text;
BEGIN
  PERFORM insert_lines('influx_insert', 'plpgsql v=1 1');
  BEGIN
    PERFORM insert_lines('influx_insert', E'plpgsql v=2,w=2 2\nplpgsql v=2 x');
  EXCEPTION WHEN others THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RAISE NOTICE '% % (%)', state, message, detail;
  END;
  BEGIN
    PERFORM insert_lines('influx_insert', 'plpgsql v=2,w=2 2');
    PERFORM insert_lines('influx_insert', 'plpgsql v="text" 2');
  EXCEPTION WHEN numeric_value_out_of_range OR invalid_text_representation THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    RAISE NOTICE '% % (%)', state, message, detail;
  END;
  PERFORM insert_lines('influx_insert', 'plpgsql v=3 3');
  FOR i IN 4 .. 6 LOOP
    PERFORM insert_lines('influx_insert', format(E'plpgsql v=%s %s\nplpgsql v=%s,n%s=%si %s', i, i, i, i, i, i));
  END LOOP;
END $$;
SELECT * FROM influx_insert.plpgsql ORDER BY time, v, n4, n5, n6;

-- In a query of many rows, and in a function that a table's trigger calls
SELECT sum(insert_lines('influx_insert', 'many,n=' || i % 3 || ' v=' || i || ' ' || i)) FROM generate_series(1, 500) AS i;
SELECT n, count(*), sum(v) FROM influx_insert.many GROUP BY n ORDER BY n;
CREATE FUNCTION influx_insert.forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM insert_lines('influx_insert', format('forwarded v=%s %s', new.v, new.v));
  RETURN new;
END $$;
CREATE TABLE influx_insert.inbox (time timestamptz, v int);
CREATE TRIGGER forward AFTER INSERT ON influx_insert.inbox FOR EACH ROW EXECUTE FUNCTION influx_insert.forward();
SELECT insert_lines('influx_insert', E'inbox v=1i 1\ninbox v=2i 2');
SELECT v FROM influx_insert.forwarded ORDER BY v;

-- A text larger than a datagram
SELECT insert_lines('influx_insert', (SELECT string_agg('bulk,t=' || i % 7 || ' v=' || i || 'i ' || i, E'\n') FROM generate_series(1, 30000) AS i));
SELECT count(*), count(DISTINCT t), sum(v) FROM influx_insert.bulk;

-- The schema
SELECT insert_lines('influx_nosuch', 'm v=1 1');
SELECT insert_lines(4294967295::oid::regnamespace, 'm v=1 1');

-- Read only
BEGIN READ ONLY;
SELECT insert_lines('influx_insert', 'cpu usage=1 1');
ROLLBACK;
BEGIN READ ONLY;
SELECT insert_lines('influx_insert', 'ro v=1 1');
ROLLBACK;
BEGIN READ ONLY;
SELECT insert_lines('influx_insert', 'cpu newfield=1 1');
ROLLBACK;

-- The rights are the caller's: on the schema ...
CREATE ROLE regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'cpu usage=1 1');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA influx_insert TO regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'of_writer v=1 1');
\echo :LAST_ERROR_SQLSTATE
-- ... on the table ...
SELECT insert_lines('influx_insert', 'saved v=6 6');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT SELECT ON influx_insert.saved TO regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'saved v=6 6');
RESET ROLE;
GRANT INSERT ON influx_insert.saved TO regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'saved v=6 6');
-- ... to add a column ...
SELECT insert_lines('influx_insert', 'saved v=7,added=7 7');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- ... on the columns
CREATE TABLE influx_insert.partly (time timestamptz, a int, b int, c int DEFAULT 7);
GRANT INSERT (time, a) ON influx_insert.partly TO regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'partly a=1i 1');
SELECT insert_lines('influx_insert', 'partly a=2i,b=2i 2');
\echo :LAST_ERROR_SQLSTATE
SELECT insert_lines('influx_insert', 'partly a=2i,c=2i 2');
RESET ROLE;
SELECT * FROM influx_insert.partly;
REVOKE INSERT (time) ON influx_insert.partly FROM regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'partly a=3i 3');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- With CREATE, new tables are the caller's
GRANT CREATE ON SCHEMA influx_insert TO regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'of_writer v=1 1');
SELECT insert_lines('influx_insert', 'of_writer v=2,w=2 2');
RESET ROLE;
SELECT relowner::regrole FROM pg_class WHERE oid = 'influx_insert.of_writer'::regclass;
-- A right that is taken away is missed at once
REVOKE INSERT ON influx_insert.saved FROM regress_influx_writer;
SET ROLE regress_influx_writer;
SELECT insert_lines('influx_insert', 'saved v=8 8');
RESET ROLE;
-- A function of its owner's rights
CREATE FUNCTION influx_insert.for_all(lines text) RETURNS bigint SECURITY DEFINER LANGUAGE sql AS
$$ SELECT insert_lines('influx_insert', lines) $$;
SET ROLE regress_influx_writer;
SELECT influx_insert.for_all('saved v=9 9');
RESET ROLE;
SELECT v FROM influx_insert.saved ORDER BY v;

SET client_min_messages = warning;
DROP SCHEMA influx_insert CASCADE;
DROP ROLE regress_influx_writer;
