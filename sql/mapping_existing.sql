-- Tables that exist are taken as they are: special columns, every type, defaults, what does not fit.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = 'postgres';
SET bytea_output = 'hex';
CREATE SCHEMA influx_have;

-- Stores lines, or tells why not
CREATE FUNCTION influx_have.put(lines text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text;
BEGIN
  RETURN insert_lines('influx_have', lines) || ' stored';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
  detail := regexp_replace(detail, '\n?Line: .*$', '');
  RETURN concat_ws(' ', state, message, nullif('(' || detail || ')', '()'));
END $$;

-- The special columns, all subsets of _time, _tags and _fields
CREATE TABLE influx_have.ttf (_time timestamptz, _tags jsonb, _fields jsonb);
CREATE TABLE influx_have.tt (_time timestamptz, _tags jsonb);
CREATE TABLE influx_have.tf (_time timestamptz, _fields jsonb);
CREATE TABLE influx_have.t (_time timestamptz);
CREATE TABLE influx_have."tf2" (_tags jsonb, _fields jsonb);
CREATE TABLE influx_have.tg (_tags jsonb);
CREATE TABLE influx_have.fl (_fields jsonb);
CREATE TABLE influx_have.none ();
SELECT m, influx_have.put(m || ',host=a,rack=r v=1.5,n=2i,u=3u,b=t,s="x" 1000'), influx_have.put(m || ' v=1 2000')
  FROM unnest('{ttf,tt,tf,t,tf2,tg,fl,none}'::text[]) WITH ORDINALITY AS m (m, i) ORDER BY i;
SELECT * FROM influx_have.ttf ORDER BY _time;
SELECT * FROM influx_have.tt ORDER BY _time;
SELECT * FROM influx_have.tf ORDER BY _time;
SELECT * FROM influx_have.t ORDER BY _time;
SELECT * FROM influx_have.tf2 ORDER BY time;
SELECT * FROM influx_have.tg ORDER BY time;
SELECT * FROM influx_have.fl ORDER BY time;
SELECT * FROM influx_have.none ORDER BY time;
-- Columns of their own come first
CREATE TABLE influx_have.mixed (_time timestamptz, host text, v float8, _tags jsonb, _fields jsonb);
SELECT influx_have.put(E'mixed,host=a,rack=r v=1,w=2 1000\nmixed,rack=r w=2 2000\nmixed,host=b v=3 3000\nmixed,v=4 host=5 4000');
SELECT * FROM influx_have.mixed ORDER BY _time;
-- Without the settings that allow more, the same: nothing has to be added
SET influx.auto_create = off;
SET influx.auto_extend = off;
SELECT influx_have.put('mixed,host=c,rack=s v=6,w=7 5000'), influx_have.put('tt,host=a w=1 3000'), influx_have.put('tf,host=a v=1 3000');
RESET influx.auto_create;
RESET influx.auto_extend;
-- _tags and _fields of another type are no columns for tags and fields, and never overwritten
CREATE TABLE influx_have.odd (_time timestamptz, _tags text, _fields json);
SELECT influx_have.put('odd,host=a v=1 1000'), influx_have.put('odd,_tags=a v=1 2000'), influx_have.put('odd _fields="{}" 2000');
SELECT * FROM influx_have.odd;
-- A domain over jsonb is jsonb
CREATE DOMAIN influx_have.flat AS jsonb CHECK (NOT jsonb_path_exists(VALUE, '$.forbidden'));
CREATE TABLE influx_have.dom (_time timestamptz, _tags influx_have.flat, _fields influx_have.flat);
SELECT influx_have.put('dom,host=a v=1 1000'), influx_have.put('dom,host=a forbidden=1 1000');
SELECT * FROM influx_have.dom;
-- Columns that the point leaves out keep their default, NULL where there is none
CREATE TABLE influx_have.defaults (_time timestamptz, _tags jsonb DEFAULT '{"none": true}', _fields jsonb);
SELECT influx_have.put('defaults v=1 1000'), influx_have.put('defaults,t=a v=1 2000');
SELECT * FROM influx_have.defaults ORDER BY _time;

-- The time column: _time before the one of the setting, of three types
CREATE TABLE influx_have.both_times (time timestamptz, _time timestamptz, v float8);
SELECT influx_have.put('both_times v=1 1000'), influx_have.put('both_times time="2020-01-01",v=2 2000'), influx_have.put('both_times,time=2021-01-01 v=3 3000');
SELECT * FROM influx_have.both_times ORDER BY _time;
CREATE TABLE influx_have.ts (time timestamp, v int);
CREATE TABLE influx_have.ns (time bigint, v int);
CREATE TABLE influx_have.short_time (time timestamptz(0), v int);
CREATE DOMAIN influx_have.moment AS timestamptz CHECK (VALUE >= '1970-01-01');
CREATE TABLE influx_have.domain_time (time influx_have.moment, v int);
SET timezone = 'America/New_York';
SELECT m, influx_have.put(m || E' v=1i 1465839830100400200\n' || m || E' v=2i 0'), influx_have.put(m || E' v=3i -1\n' || m || E' v=4i 9223372036854775807\n' || m || ' v=5i -9223372036854775808')
  FROM unnest('{ts,ns,short_time,domain_time}'::text[]) WITH ORDINALITY AS m (m, i) ORDER BY i;
SELECT * FROM influx_have.ts ORDER BY v;
SET timezone = 'UTC';
SELECT * FROM influx_have.ns ORDER BY v;
SELECT * FROM influx_have.short_time ORDER BY v;
SELECT * FROM influx_have.domain_time ORDER BY v;
CREATE TABLE influx_have.date_time (time date, v int);
CREATE TABLE influx_have.text_time (_time text, time timestamptz, v int);
CREATE TABLE influx_have.int_time (time int, v int);
SELECT influx_have.put('date_time v=1i 1000'), influx_have.put('text_time v=1i 1000'), influx_have.put('int_time v=1i 1000');
SELECT insert_lines('influx_have', 'date_time v=1i 1000');
-- Another name, and no time column at all
CREATE TABLE influx_have.other (at timestamptz, "Sent At" timestamptz, time text, v int);
SET influx.time_column = 'at';
SELECT influx_have.put('other time="noon",v=1i 1000');
SET influx.time_column = 'Sent At';
SELECT influx_have.put('other,time=one v=2i 2000'), influx_have.put('other at="1970-01-01 00:00:00.000005+00",v=3i 3000'), influx_have.put('other Sent\ At=1i,v=4i 4000');
SELECT * FROM influx_have.other ORDER BY v;
SET influx.auto_extend = off;
SET influx.time_column = 'nosuch';
SELECT influx_have.put('other v=4i 4000');
RESET influx.auto_extend;
SELECT influx_have.put('other v=5i 5000');
RESET influx.time_column;
SELECT * FROM influx_have.other ORDER BY v;

-- Every type, with values of every kind
CREATE TYPE influx_have.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE influx_have.pair AS (a int, b text);
CREATE DOMAIN influx_have.percent AS float8 CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN influx_have.small_percent AS influx_have.percent CHECK (VALUE <= 10);
CREATE DOMAIN influx_have.code AS varchar(3) NOT NULL;
CREATE TABLE influx_have.types (
  time timestamptz,
  f8 float8, f4 float4, i2 int2, i4 int4, i8 int8, num numeric, n52 numeric(5,2), n20 numeric(20,0),
  b bool, txt text, vc varchar(3), c3 char(3), c "char", nm name,
  jb jsonb, js json, ip inet, mac macaddr, day date, tod time, ts timestamp, tz timestamptz, iv interval,
  mood influx_have.mood, pct influx_have.percent, spct influx_have.small_percent,
  ints int[], texts text[], raw bytea, id uuid, pair influx_have.pair, span int4range, bits bit(3), vbits varbit,
  pt point, rel regclass, money money, xid8 xid8, vec tsvector, oid oid);

CREATE TABLE influx_have.result (n int GENERATED ALWAYS AS IDENTITY, col text, sent text, answer text, stored text);
CREATE PROCEDURE influx_have.try(col text, VARIADIC sent text[]) LANGUAGE plpgsql AS $$
DECLARE
  one text; answer text; stored text;
BEGIN
  FOREACH one IN ARRAY sent LOOP
    answer := influx_have.put(format('types %s=%s 1000', col, one));
    EXECUTE format('SELECT %I::text FROM influx_have.types', col) INTO stored;
    DELETE FROM influx_have.types;
    INSERT INTO influx_have.result (col, sent, answer, stored) VALUES (col, one, replace(answer, 'cannot store line 1: ', ''), stored);
  END LOOP;
END $$;

CALL influx_have.try('f8', '1.5', '-0', '1e308', '5e-324', '1i', '-7i', '9007199254740992i', '9007199254740993i', '9223372036854775807i', '9223372036854774784i', '-9223372036854775808i', '18446744073709551615u', '18446744073709549568u', '9007199254740994u', 'true', '"1.5"', '" 1.5 "', '"NaN"', '""', '"x"', '"1e999"');
CALL influx_have.try('f4', '1.5', '0.1', '3.4e38', '3.5e38', '1e-45', '1e-46', '0', '16777216i', '16777217i', '16777216u', '9223372036854775807i', 'false', '"2.5"', '"x"');
CALL influx_have.try('i2', '1', '1.5', '1i', '32767i', '32768i', '-32768i', '-32769', '1u', '40000u', '1e3', 'true', '"12"', '"1.5"', '"x"');
CALL influx_have.try('i4', '1', '-1.0', '0.1', '2147483647i', '2147483648i', '2147483648u', '1e9', '1e10', 't', '"0"', '"99999999999"');
CALL influx_have.try('i8', '1', '-2.0', '2.5', '9223372036854775807i', '9223372036854775807u', '9223372036854775808u', '9223372036854774784', '9223372036854775807', '-9223372036854775808', '-9223372036854777856', '1e18', '1e19', '1e300', 'T', '"9223372036854775807"', '"-"');
CALL influx_have.try('num', '1.5', '1', '0.1', '1.50', '-0', '1e3', '1e-3', '1e308', '5e-324', '0.1000000000000000055511151231257827', '9223372036854775807i', '18446744073709551615u', 'true', '"1e500"', '"NaN"', '"x"');
CALL influx_have.try('n52', '1.5', '999.99', '-0.01', '100i', '7u', '"12.3"', 'true', '"x"');
CALL influx_have.try('n20', '18446744073709551615u', '-1i', '1.0', '1e19');
CALL influx_have.try('b', 't', 'F', '1', '0', '1i', '0i', '2i', '1u', '"yes"', '"maybe"', '"t"', '0.5');
CALL influx_have.try('txt', '1.5', '1.50', '1', '1e3', '-0', '12i', '007i', '18446744073709551615u', 't', 'FALSE', '""', '"text"', '"with \"quotes\""');
CALL influx_have.try('vc', '"abc"', '""', '123i', '1.5');
CALL influx_have.try('c3', '"a"', '12i', '"abc"');
CALL influx_have.try('c', '"a"', '1i');
CALL influx_have.try('nm', '"a name"');
CALL influx_have.try('jb', '1.5', '1', '12i', '18446744073709551615u', 't', '"{\"a\": [1, null]}"', '"12"', '"\"x\""', '"x"', '"{"', '""', '"null"');
CALL influx_have.try('js', '1.5', '12i', 'T', '"{\"a\":  1}"', '"x"', '""');
CALL influx_have.try('ip', '"10.0.0.1/8"', '"::1"', '"300.1.1.1"', '1i');
CALL influx_have.try('mac', '"08:00:2b:01:02:03"', '"x"');
CALL influx_have.try('day', '"2020-02-29"', '"2021-02-29"', '"infinity"', '1i');
CALL influx_have.try('tod', '"12:30:15.5"', '"25:00"');
CALL influx_have.try('ts', '"2020-01-01 12:00"', '1465839830i');
CALL influx_have.try('tz', '"2020-01-01 12:00+02"', '"x"');
CALL influx_have.try('iv', '"1 day 2 hours"', '"P1DT2H"', '"x"', '15i');
CALL influx_have.try('mood', '"happy"', '"Happy"', '1i');
CALL influx_have.try('pct', '50', '100i', '"7"', '"x"', 'true');
CALL influx_have.try('spct', '5', '10u');
CALL influx_have.try('ints', '"{1,2,NULL}"', '"{}"', '"{x}"', '1i');
CALL influx_have.try('texts', '"{a,\"b c\"}"', '"a"');
CALL influx_have.try('raw', '"\\x0aff"', '"abc"', '"\\xzz"');
CALL influx_have.try('id', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"', '"x"');
CALL influx_have.try('pair', '"(1,\"b c\")"', '"(x,y)"', '"1"');
CALL influx_have.try('span', '"[1,5)"', '"[5,1]"');
CALL influx_have.try('bits', '"101"', '101i', '"1x1"');
CALL influx_have.try('vbits', '"10"', '"2"');
CALL influx_have.try('pt', '"(1,2)"', '1');
CALL influx_have.try('rel', '"pg_catalog.pg_class"', '"nosuch"');
CALL influx_have.try('xid8', '42u');
CALL influx_have.try('vec', '"a fat cat"');
CALL influx_have.try('oid', '42i', '4294967295u', '4294967296u', '1.5');
\pset format unaligned
SELECT col, sent, answer, CASE WHEN length(stored) > 60 THEN length(stored) || ' characters' ELSE stored END AS stored
  FROM influx_have.result ORDER BY n;
\pset format aligned

-- A tag is text, and goes into a column of any type through its input function
CREATE TABLE influx_have.tagged (time timestamptz, n int, b bool, mood influx_have.mood, ip inet, j jsonb, v float8);
SELECT influx_have.put(E'tagged,n=12,b=true,mood=ok,ip=10.0.0.1,j={"a":1} v=1 1000');
SELECT influx_have.put('tagged,n=1i v=1 1000'), influx_have.put('tagged,n=1.0 v=1 1000'), influx_have.put('tagged,mood=fine v=1 1000'), influx_have.put('tagged,ip=localhost v=1 1000'), influx_have.put('tagged,j=word v=1 1000');
SELECT * FROM influx_have.tagged;

-- A key may go to the column whatever its role; both cannot
CREATE TABLE influx_have.roles (time timestamptz, a text, b float8);
SELECT influx_have.put(E'roles,a=1 b=2 1000\nroles,b=2 a="x" 2000');
SELECT influx_have.put('roles,a=1 a="y" 3000');
SELECT * FROM influx_have.roles ORDER BY time;

-- NOT NULL, defaults, generated and identity columns, serial
CREATE DOMAIN influx_have.word AS text DEFAULT 'of the domain';
CREATE TABLE influx_have.rules (
  id bigint GENERATED BY DEFAULT AS IDENTITY,
  always bigint GENERATED ALWAYS AS IDENTITY (START 100),
  time timestamptz NOT NULL,
  v float8 NOT NULL,
  twice float8 GENERATED ALWAYS AS (v * 2) STORED,
  word influx_have.word,
  other text DEFAULT 'of the column',
  plain text,
  n serial);
SELECT influx_have.put(E'rules v=1 1000\nrules,word=w v=2 2000\nrules v=3,plain="p" 3000\nrules v=4,other="o",plain="p" 4000\nrules,word=w v=5,id=50i,n=7i 5000\nrules v=6 6000');
SELECT v, twice, word, other, plain FROM influx_have.rules ORDER BY time;
SELECT count(DISTINCT id), min(id), max(id), min(always), max(always), count(DISTINCT n), max(n) FROM influx_have.rules;
SELECT regexp_replace(influx_have.put('rules plain="p" 7000'), ' \(Failing row.*', '');
SELECT influx_have.put('rules v=1,twice=2 7000');
SELECT influx_have.put('rules v=1,always=2i 7000');
SELECT influx_have.put('rules,always=2 v=1 7000');
SELECT influx_have.put('rules v="x" 7000');
-- With a jsonb column, what has no place goes there
ALTER TABLE influx_have.rules ADD _tags jsonb, ADD _fields jsonb;
SELECT influx_have.put(E'rules,always=7,plain=p v=7,twice=1,always=2i,n="x",time=3,_tags=4,_fields=5,_time=6 7000');
SELECT v, twice, plain, n IS NOT NULL AS has_n, always IS NOT NULL AS has_always, _tags, _fields FROM influx_have.rules WHERE v = 7;
-- A value that does not fit its column goes there, too
CREATE TABLE influx_have.overflow (time timestamptz, n int, tag int, mood influx_have.mood, _tags jsonb, _fields jsonb);
SELECT influx_have.put(E'overflow,tag=x n=1.5,mood="fine" 1000\noverflow,tag=1 n=99999999999i,mood="ok" 2000\noverflow n="2" 3000\noverflow,n=a n=3i 4000\noverflow,n=5 n=3i 5000');
SELECT time, n, tag, mood, _tags, _fields FROM influx_have.overflow ORDER BY time;
-- With one of the two
CREATE TABLE influx_have.half (time timestamptz, n int, _fields jsonb);
SELECT influx_have.put('half n=1.5 1000'), influx_have.put('half,n=x v=1 2000'), influx_have.put('half,host=a v=1 3000');
SELECT * FROM influx_have.half ORDER BY time;
-- NOT NULL and a domain that says so
CREATE TABLE influx_have.strict (time timestamptz, code influx_have.code, v float8);
SELECT influx_have.put('strict v=1 1000'), influx_have.put('strict,code=abc v=1 1000');
-- Rows of one text that leave out different columns
CREATE TABLE influx_have.gaps (time timestamptz, a int DEFAULT 1, b int DEFAULT 2, c int, d int);
SELECT influx_have.put(E'gaps a=10i 1000\ngaps b=20i 2000\ngaps c=30i 3000\ngaps d=40i 4000\ngaps a=10i,b=20i,c=30i,d=40i 5000\ngaps a=11i 6000\ngaps c=31i 7000');
SELECT * FROM influx_have.gaps ORDER BY time;
-- CHECK and UNIQUE constraints
SET influx.on_conflict = error;
CREATE TABLE influx_have.checked (time timestamptz, host text, v int CHECK (v > 0), UNIQUE (time, host));
SELECT influx_have.put(E'checked,host=a v=1i 1000\nchecked,host=a v=1i 2000'), influx_have.put(E'checked,host=a v=1i 3000\nchecked,host=a v=0i 4000'), influx_have.put(E'checked,host=b v=1i 1000\nchecked,host=a v=1i 2000');
SELECT * FROM influx_have.checked ORDER BY time;
SELECT insert_lines('influx_have', 'checked,host=a v=0i 4000');
RESET influx.on_conflict;

SET client_min_messages = warning;
DROP SCHEMA influx_have CASCADE;
