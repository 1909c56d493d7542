-- New tables and columns: layouts, settings, and names of every sort.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_new;

CREATE FUNCTION influx_new.put(lines text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text;
BEGIN
  RETURN insert_lines('influx_new', lines) || ' stored';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  detail := regexp_replace(detail, '\n?Line: .*$', '');
  RETURN concat_ws(' ', state, message, nullif('(' || detail || ')', '()'));
END $$;

-- The two layouts
SELECT influx_new.put('typed,host=a f=1,i=1i,u=1u,b=t,s="x" 1000');
\d influx_new.typed
SET influx.layout = json;
SELECT influx_new.put(E'loose,host=a f=1.5,i=1i,u=1u,b=t,s="x" 1000\nloose v=2 2000\nloose,time=a,_time=b,_tags=c,_fields=d,ctid=e time=1,_time=2,_tags=3,_fields=4,ctid=5 3000');
\d influx_new.loose
SELECT * FROM influx_new.loose ORDER BY _time;
-- The layout is that of new tables: the other one stays as it is
SELECT influx_new.put('typed,rack=r g=2 2000');
RESET influx.layout;
SELECT influx_new.put('loose,rack=r g=2 4000');
SELECT count(*) FROM influx_new.loose;
SELECT * FROM influx_new.typed ORDER BY time;

-- The time column of the setting; in the other layout it is _time
SET influx.time_column = 'Sent "at"';
SELECT influx_new.put('timed,time=a v=1 1000');
\d influx_new.timed
SELECT influx_new.put(E'timed Sent\\ "at"=1 1000'), influx_new.put(E'timed2 Sent\\ "at"=1 1000');
SET influx.layout = json;
SELECT influx_new.put(E'timed3 Sent\\ "at"=1,v=1 1000');
\d influx_new.timed3
SELECT * FROM influx_new.timed3;
RESET ALL;
SET timezone = 'UTC';
SET datestyle = 'ISO';
-- One that can be no column
SET influx.time_column = 'ctid';
SELECT influx_new.put('ctid_time v=1 1000');
RESET influx.time_column;

-- Without permission to create, or to extend
SET influx.auto_create = off;
SELECT influx_new.put('uncreated v=1 1000'), influx_new.put('typed h=1 1000');
SELECT insert_lines('influx_new', E'typed f=1 1000\nuncreated v=1 1000');
RESET influx.auto_create;
SET influx.auto_extend = off;
SELECT influx_new.put('created v=1 1000'), influx_new.put('created w=1 1000'), influx_new.put('created,t=a v=1 1000'), influx_new.put(E'created2 v=1 1000\ncreated2 v=1 2000');
SELECT insert_lines('influx_new', 'created v=1,w=2 1000');
RESET influx.auto_extend;

-- A tag and a field of one name have one column only, or a place each
SELECT influx_new.put('same,v=a v=1 1000');
SELECT insert_lines('influx_new', 'same,v=a v=1 1000');
SELECT influx_new.put(E'role,v=a w=1 1000\nrole,w=b v=2 2000');
SELECT influx_new.put(E'role2,v=12 w=1 1000\nrole2,w=3 v=2 2000');
SELECT * FROM influx_new.role2 ORDER BY time;
SELECT influx_new.put('typed,new=a new=1 1000');
SET influx.layout = json;
SELECT influx_new.put('same,v=a v=1 1000');
SELECT * FROM influx_new.same;
RESET influx.layout;

-- Names that a key cannot have
SELECT key, influx_new.put('by_' || key || ',' || key || '=a v=1 1000'), influx_new.put('by_' || key || ' ' || key || '=1 1000'),
       influx_new.put('typed,' || key || '=a f=1 1000'), influx_new.put('typed ' || key || '=1 1000')
  FROM unnest('{time,_time,_tags,_fields,ctid,xmin,xmax,cmin,cmax,tableoid}'::text[]) WITH ORDINALITY AS k (key, i) ORDER BY i;
-- These it can have, oid is no system column any more
SELECT influx_new.put(E'plain,oid=a,Time=b,TIME=c,_t=d,_measurement=e _field=1,value=2,_=3,ctid\\ =4 1000');
SELECT * FROM influx_new.plain;

-- Names that need quotes
SELECT influx_new.put(E'Upper,Tag=a Value=1 1000\nupper,tag=b value=2 1000\nUPPER,TAG=c VALUE=3,value=4,Value=5 1000');
SELECT * FROM influx_new."Upper", influx_new.upper, influx_new."UPPER";
SELECT influx_new.put(E'with\\ space,a\\ tag=x\\ y a\\ field=1 1000\n"quoted"\\,\\ \'too\',"t"=\'v\',`t`=v "f"=1,$1=2,f.g=3,f\\=g=4,;=5,--=6,/*=7,\\x=8 1000');
SELECT * FROM influx_new."with space";
SELECT * FROM influx_new."""quoted"", 'too'";
SELECT influx_new.put(E'select,from=a,table=b where=1,user=2,null=3,order=4,array=5 1000\ntable,select=a as=1 1000\nuser v=1 1000\ninflux_new.dotted v=1 1000\n1 2=3 1000\n%s,%s=%n %d=1 1000\n\\x41 \\x42=1 1000\n= v=1 1000\n* *=1 1000');
SELECT * FROM influx_new."select", influx_new."table", influx_new."user", influx_new."influx_new.dotted", influx_new."1", influx_new."%s", influx_new."\x41", influx_new."=", influx_new."*";
SELECT influx_new.put(E'evil");\\ DROP\\ TABLE\\ x;-- v=1 1000'), influx_new.put(E'typed v\\,\\ DROP\\ COLUMN\\ f=1 1000');
-- Prefixes that the server keeps for itself, in other places than here
SELECT influx_new.put('pg_table,pg_tag=a pg_field=1 1000'), influx_new.put('pg_class relname="x" 1000'), influx_new.put('influx_batch influx_batch=1,v=2 1000');
SELECT * FROM influx_new.pg_table, influx_new.pg_class, influx_new.influx_batch;
SELECT insert_lines('pg_catalog', 'influx_measurement v=1 1000');
SELECT insert_lines('pg_catalog', 'pg_class v=1 1000');
SELECT insert_lines('information_schema', 'tables v=1 1000');

-- 63 bytes are a name, 64 are none, and nothing is cut
SELECT influx_new.put(repeat('m', 63) || ',' || repeat('t', 63) || '=a ' || repeat('f', 63) || '=1 1000');
SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
 WHERE relnamespace = 'influx_new'::regnamespace AND length(relname) = 63 AND attnum > 1 AND NOT attisdropped ORDER BY attnum;
SELECT influx_new.put(repeat('m', 64) || ' v=1 1000');
SELECT influx_new.put('long,' || repeat('t', 64) || '=a v=1 1000');
SELECT influx_new.put('long ' || repeat('f', 64) || '=1 1000');
SELECT influx_new.put('typed ' || repeat('f', 64) || '=1 1000');
SELECT insert_lines('influx_new', repeat('m', 64) || ' v=1 1000');
SET influx.auto_create = off;
SELECT influx_new.put(repeat('m', 64) || ' v=1 1000');
RESET influx.auto_create;
-- Where tags and fields are jsonb, a key is as long as it likes
SELECT influx_new.put('loose,' || repeat('t', 64) || '=a ' || repeat('f', 100) || '=1 5000');
SELECT length(key), value FROM influx_new.loose, jsonb_each(_tags || _fields) WHERE _time = '1970-01-01 00:00:00.000005+00' ORDER BY key;
SET influx.layout = json;
SELECT influx_new.put('long_keys,' || repeat('t', 64) || '=a ' || repeat('f', 100) || '=1 5000');
RESET influx.layout;

-- The name of something that takes no rows
CREATE TABLE influx_new.base (time timestamptz PRIMARY KEY, v float8);
CREATE INDEX an_index ON influx_new.base (v);
CREATE SEQUENCE influx_new.a_sequence;
CREATE VIEW influx_new.a_sum AS SELECT sum(v) AS v, max(time) AS time FROM influx_new.base;
CREATE MATERIALIZED VIEW influx_new.a_matview AS SELECT * FROM influx_new.base;
CREATE TYPE influx_new.a_type AS (time timestamptz, v float8);
CREATE DOMAIN influx_new.a_domain AS int;
CREATE TYPE influx_new.an_enum AS ENUM ('a');
CREATE TABLE influx_new.parts (time timestamptz, v float8) PARTITION BY RANGE (time);
CREATE INDEX a_part_index ON influx_new.parts (v);
SELECT m, influx_new.put(m || ' v=1 1000')
  FROM unnest('{an_index,base_pkey,a_part_index,a_sequence,a_sum,a_matview,a_type,a_domain,an_enum,parts}'::text[]) WITH ORDINALITY AS m (m, i) ORDER BY i;
SELECT insert_lines('influx_new', 'a_sequence v=1 1000');
SELECT insert_lines('influx_new', 'a_domain v=1 1000');

-- As many columns as a table can have; booleans, so that a row of all of them fits a page
SET influx.max_columns = 1600;
CREATE FUNCTION influx_new.fields(prefix text, n int) RETURNS text LANGUAGE sql AS
$$ SELECT string_agg(prefix || i || '=t', ',' ORDER BY i) FROM generate_series(1, n) AS i $$;
SELECT influx_new.put('wide ' || influx_new.fields('f', 1590) || ' 1000');
SELECT influx_new.put('wide ' || influx_new.fields('g', 9) || ' 2000');
SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_new.wide'::regclass AND attnum > 0;
SELECT influx_new.put('wide one_more=1 3000');
SELECT insert_lines('influx_new', 'wide one_more=1 3000');
SELECT influx_new.put('wide f1=f,g9=t 3000');
SELECT count(f1), count(f1590), count(g1), count(g9), count(*) FROM influx_new.wide;
SELECT influx_new.put('too_wide ' || influx_new.fields('f', 1600) || ' 1000');
SELECT influx_new.put('typed ' || influx_new.fields('f', 1600) || ' 1000');
-- Several lines that each have room, but not together: the one for which there is none is refused
SELECT influx_new.put('together ' || influx_new.fields('f', 900) || E' 1000\ntogether ' || influx_new.fields('g', 900) || ' 2000');
SELECT influx_new.put('nearly ' || influx_new.fields('f', 1590) || ' 1000');
SELECT influx_new.put('nearly ' || influx_new.fields('g', 5) || E' 2000\nnearly ' || influx_new.fields('h', 6) || ' 3000');
-- In jsonb there is room for all
SET influx.layout = json;
SELECT influx_new.put('wide_json ' || influx_new.fields('f', 1700) || ' 1000');
SELECT count(*) FROM influx_new.wide_json, jsonb_object_keys(_fields);
RESET influx.layout;
-- A row of many long texts
SELECT influx_new.put('texts ' || (SELECT string_agg('f' || i || '="' || repeat('x', 100) || '"', ',') FROM generate_series(1, 50) AS i) || ' 1000');
SELECT length(f1), length(f50) FROM influx_new.texts;

RESET influx.max_columns;

-- Nobody made tables or columns by halves
SELECT relname FROM pg_class WHERE relnamespace = 'influx_new'::regnamespace AND relkind = 'r' AND length(relname) < 40 ORDER BY relname COLLATE "C";

SET client_min_messages = warning;
DROP SCHEMA influx_new CASCADE;
