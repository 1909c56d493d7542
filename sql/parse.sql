-- parse_influx(): what a line means, and what is wrong with one.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_parse;

-- The fields of a text, each with its type in JSON
CREATE FUNCTION influx_parse.fields(lines text)
RETURNS TABLE (metric text, key text, type text, value jsonb) LANGUAGE sql AS
$$ SELECT _metric, key, jsonb_typeof(value), value
     FROM parse_influx(lines), jsonb_each(_fields) ORDER BY _metric COLLATE "C", key COLLATE "C" $$;

-- Why a text is refused
CREATE FUNCTION influx_parse.refusal(lines text, "precision" text DEFAULT 'ns')
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM parse_influx(lines, "precision");
  RETURN 'taken';
EXCEPTION WHEN others THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- A point
SELECT * FROM parse_influx('weather,location=us-midwest,season=summer temperature=82.5,humidity=71i 1465839830100400200');

-- Values of all types; a jsonb keeps the type
SELECT * FROM influx_parse.fields('float a=1,b=-1.5,c=.5,d=5.,e=1e3,f=-1.5E-3,g=0,h=1.7976931348623157e308,i=5e-324,j=1e-400,k=0.1,l=123456789012345678');
SELECT * FROM influx_parse.fields('int a=1i,b=-1i,c=0i,d=9223372036854775807i,e=-9223372036854775808i,f=007i,g=-0i');
SELECT * FROM influx_parse.fields('uint a=1u,b=0u,c=18446744073709551615u,d=9223372036854775808u,e=00018446744073709551615u');
SELECT * FROM influx_parse.fields('bool a=t,b=T,c=true,d=True,e=TRUE,f=f,g=F,h=false,i=False,j=FALSE');
SELECT * FROM influx_parse.fields('string a="",b="text",c="with space, comma and = sign",d="1",e="# no comment",f="it''s"');
-- Long digits: a float is what a double holds of them
SELECT * FROM influx_parse.fields('long a=0.1000000000000000055511151231257827021181583404541015625,b=100000000000000000000000');
-- A tag is text, whatever it looks like
SELECT key, value, jsonb_typeof(value) FROM parse_influx('m,a=1,b=1i,c=true,d=1.50,e="quoted" v=1'), jsonb_each(_tags) ORDER BY key;
-- No tags
SELECT _tags, _fields FROM parse_influx('m v=1');
-- A tag and a field of one name; a field sent twice
SELECT _tags, _fields FROM parse_influx('m,v=tag v=1,w=1,v="last"');
-- Names with a meaning elsewhere have none here
SELECT _metric, _tags, _fields FROM parse_influx('select,time=a,_time=b,_tags=c,ctid=d time=1,_fields=2,_field=3,_measurement=4');

-- Escapes: what may be escaped depends on the position; any other backslash stays
SELECT _metric FROM parse_influx('a\,b\ c\=d\"e\x=f v=1');
SELECT _tags FROM parse_influx('m,k\,e\=y\ 1\"\x=v\,a\=l\ 1\"\x v=1');
SELECT _fields FROM parse_influx('m k\,e\=y\ 1\"\x=1');
SELECT _fields FROM parse_influx('m v="a \"quoted\" word, a back\\slash, C:\new\table"');
-- Backslashes in names do not pair
SELECT _metric FROM parse_influx('a\\,b v=1');
SELECT _metric FROM parse_influx('a\\b v=1');
SELECT _metric FROM parse_influx('a\\\ b v=1');
SELECT _fields->>'v' AS v FROM parse_influx('m v="\\\\",w=1');
-- Quotes in names are bytes like any other
SELECT _metric, _tags, _fields FROM parse_influx('"m",''t''="x" "v"=1');

-- Lines: comments, blank lines, spaces, carriage returns, no last line feed
SELECT _metric, _fields FROM parse_influx(E'# comment\n\n   \n  # another "\nm1 v=1\r\n  m2   v=2   \nm3 v=3 3\r\nm4 v="4\r\n"\n#\nm5 v=5\r');
SELECT count(*) FROM parse_influx('');
SELECT count(*) FROM parse_influx(E'\n\r\n  \n# only a comment');
-- A string goes on behind a line feed, and what it holds is no line
SELECT _metric, _fields FROM parse_influx(E'log text="first\nfake,t=1 v=1 1\n# third\n\nlast" 1\nnext v=1');

-- The tab is no space; a carriage return alone ends nothing
SELECT influx_parse.refusal(E'm\tv=1') AS tab, influx_parse.refusal(E'm v=1\rm v=2') AS carriage_return;

-- Timestamps are rounded down to microseconds
SELECT _fields->>'v' AS sent, _time FROM parse_influx(E'm v="0" 0\nm v="1" 1\nm v="-1" -1\nm v="999" 999\nm v="1000" 1000\nm v="-1000" -1000\nm v="-1001" -1001\nm v="007" 007\nm v="-0" -0');
SELECT _time FROM parse_influx(E'm v=1 9223372036854775807\nm v=1 -9223372036854775808');
-- Units
SELECT unit, _time FROM unnest('{n,ns,u,us,ms,s,m,h}'::text[]) WITH ORDINALITY AS u (unit, i), parse_influx('m v=1 12345', unit) ORDER BY i;
SELECT unit, _time FROM unnest('{n,ns,u,us,ms,s,m,h}'::text[]) WITH ORDINALITY AS u (unit, i), parse_influx('m v=1 -1', unit) ORDER BY i;
SELECT _time FROM parse_influx('m v=1 1465839830', "precision" => 's');
-- By magnitude
SELECT sent, _time
  FROM unnest('{0,1465839830,4999999999,5000000000,1465839830100,4999999999999,5000000000000,1465839830100400,4999999999999999,5000000000000000,1465839830100400200,-4999999999,-5000000000}'::bigint[]) WITH ORDINALITY AS s (sent, i),
       parse_influx('m v=1 ' || sent, 'auto') ORDER BY i;
-- Not a unit
SELECT * FROM parse_influx('m v=1 1', 'd');
SELECT influx_parse.refusal('m v=1 1', unit) FROM unnest('{NS,"",minute," s"}'::text[]) AS unit;
-- Does not fit 64 bits as nanoseconds
SELECT influx_parse.refusal('m v=1 9223372036854775807', unit) FROM unnest('{ns,us,ms,s,m,h,auto}'::text[]) AS unit;
SELECT influx_parse.refusal('m v=1 1465839830100400200', 's');
SELECT influx_parse.refusal('m v=1 -9223372036855', 'ms'), influx_parse.refusal('m v=1 -9223372036854', 'ms');

-- Without a timestamp it is the time of the statement, for all points, whatever the unit
SELECT count(*), bool_and(_time = statement_timestamp()) FROM parse_influx(E'm v=1\nm v=2 \nm v=3');
SELECT bool_and(_time = statement_timestamp()) FROM parse_influx('m v=1', 'h');
BEGIN;
SELECT pg_sleep(0.01);
SELECT _time = statement_timestamp() AND _time > now() AS ok FROM parse_influx('m v=1');
COMMIT;

-- NULL gives no row
SELECT count(*) FROM parse_influx(NULL);
SELECT count(*) FROM parse_influx('m v=1', NULL);

-- In other places than FROM
SELECT parse_influx('m,t=a v=1 1');
SELECT _metric FROM parse_influx(E'a v=1\nb v=1\nc v=1') LIMIT 1;
SELECT l, p._metric, p._fields FROM (VALUES ('a v=1 1'), ('b v=2 2')) AS s (l), LATERAL parse_influx(l) AS p ORDER BY l;

-- A malformed line: where, why, and how it begins
SELECT * FROM parse_influx(E'm v=1\n# comment\nm,host=a v=1,w=NaN 1\nm v=1');
SELECT * FROM parse_influx(E'm v="two\nlines" 1\nm v= 2');
SELECT * FROM parse_influx(E'm v=1\n' || 'm,t=' || repeat('x', 300) || ' v=');
SELECT * FROM parse_influx(E'm t="x\ty\nz",v=oops');
SELECT line, influx_parse.refusal(line) FROM unnest(ARRAY[
  'm', 'm ', 'm,t=a', 'm,t=a ', ',t=a v=1', ' ,t=a v=1', '=',
  'm, v=1', 'm,,t=a v=1', 'm,=a v=1', 'm,t v=1', 'm,t= v=1', 'm,t=,u=b v=1', 'm,t,u=b v=1', 'm,t=a=b v=1', 'm,t=a, v=1',
  'm,t=a,t=a v=1', 'm,t=a,u=b,t=c v=1', 'm,a\,b=1,a\,b=2 v=1',
  'm v', 'm v=', 'm =1', 'm v=1,', 'm v=1,,w=2', 'm v=1,w', 'm v,w=1', 'm v= 1', 'm v =1', 'm v=1 ,w=2', 'm v=1, w=2',
  'm v=+1', 'm v=.', 'm v=-', 'm v=1e', 'm v=1e+', 'm v=1.2.3', 'm v=0x10', 'm v=1_000', 'm v=1f', 'm v=1.5i', 'm v=1e3i', 'm v=1.5u', 'm v=-1u', 'm v=-0u', 'm v=--1', 'm v=1ii', 'm v=i',
  'm v=NaN', 'm v=nan', 'm v=Inf', 'm v=-Inf', 'm v=infinity', 'm v=null', 'm v=abc', 'm v=''abc''', 'm v=(1)',
  'm v=1e400', 'm v=-1e400', 'm v=1e99999999999999999999', 'm v=9223372036854775808i', 'm v=-9223372036854775809i', 'm v=18446744073709551616u', 'm v=99999999999999999999i',
  'm v=tRUE', 'm v=tr', 'm v=yes', 'm v=truetrue', 'm v=falsey',
  'm v="abc', 'm v="', 'm v="abc\"', 'm v="a"b', 'm v="a""b"', 'm v="a"5', 'm v="a"=1', 'm v=1"a"',
  'm v=1 x', 'm v=1 1.5', 'm v=1 1e9', 'm v=1 1s', 'm v=1 +1', 'm v=1 -', 'm v=1 2020-01-01', 'm v=1 1 1', 'm v=1 1 # comment', 'm v=1 # comment', 'm v=1 9223372036854775808', 'm v=1 -9223372036854775809', 'm v=1 1,w=2',
  'm,d=C:\ v=1', 'm,d=C:\,h=x v=1', '"a b" v=1', 'm v==1', 'm v=1=2'
]) WITH ORDINALITY AS l (line, i) ORDER BY i;
-- Control characters
SELECT influx_parse.refusal(line) FROM unnest(ARRAY[
  E'm\x01 v=1', E'\tm v=1', E'm,t\t=a v=1', E'm,t=a\x7f v=1', E'm v\t=1', E'm v=1\t', E'm v=1 1\t', E'm v=1 \t1', E'm\\\n v=1', E'm,t=a\r v=1', E'm v="\t\x01\x7f" 1'
]) WITH ORDINALITY AS l (line, i) ORDER BY i;
-- The first line that is wrong counts, also where a string of it goes on
SELECT influx_parse.refusal(E'm v=1\nm v=NaN,s="\nm v=1\n"\nm v=Inf');

-- Many points, and a wide one
SELECT count(*), min(_time), max(_time), sum((_fields->>'v')::bigint)
  FROM parse_influx((SELECT string_agg('m v=' || i || 'i ' || i * 1000, E'\n') FROM generate_series(1, 20000) AS i));
SELECT (SELECT count(*) FROM jsonb_object_keys(_tags)) AS tags, (SELECT count(*) FROM jsonb_object_keys(_fields)) AS fields
  FROM parse_influx('m' || (SELECT string_agg(',t' || i || '=' || i, '') FROM generate_series(1, 3000) AS i)
                    || ' ' || (SELECT string_agg('f' || i || '=' || i, ',') FROM generate_series(1, 5000) AS i));
SELECT length(_metric), length(_fields->>'s') FROM parse_influx(repeat('m', 100000) || ' s="' || repeat('s', 1000000) || '"');

SET client_min_messages = warning;
DROP SCHEMA influx_parse CASCADE;
