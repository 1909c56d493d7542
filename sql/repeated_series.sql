-- The second line of a series takes a shorter way than the first: what was made of its tags and of the
-- names of its fields is used again. Here lines are stored both ways, and the rows must be the same.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE SCHEMA first_way;
CREATE SCHEMA short_way;

-- Each line by a call of its own, which knows nothing of the line before.
CREATE FUNCTION store_one_by_one(lines text) RETURNS bigint LANGUAGE sql AS
  $$ SELECT sum(insert_lines('first_way', line))::bigint FROM string_to_table(lines, E'\n') line $$;

-- All lines twice over by one call, and one row of each pair taken away again.
CREATE FUNCTION store_together(lines text) RETURNS bigint LANGUAGE sql AS
  $$ SELECT insert_lines('short_way', lines || E'\n' || lines || E'\n' || lines) $$;

-- The number of rows, and of those that the other way has not got.
CREATE FUNCTION compare(name text) RETURNS TABLE (rows bigint, only_first bigint, only_short bigint)
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY EXECUTE format($q$
    WITH a AS (SELECT t::text AS row FROM first_way.%1$I t),
         b AS (SELECT t::text AS row FROM short_way.%1$I t)
    SELECT (SELECT count(*) FROM a),
           (SELECT count(*) FROM (SELECT row FROM a UNION ALL SELECT row FROM a UNION ALL SELECT row FROM a
                                  EXCEPT ALL SELECT row FROM b) x),
           (SELECT count(*) FROM (SELECT row FROM b EXCEPT ALL
                                  (SELECT row FROM a UNION ALL SELECT row FROM a UNION ALL SELECT row FROM a)) x)
    $q$, name);
END $$;

CREATE PROCEDURE store_both_ways(lines text) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM store_one_by_one(lines);
  PERFORM store_together(lines);
END $$;

-- Tables made from the lines: every type of field, tags that come and go, fields in another order,
-- texts around the sizes at which their headers grow, with and without a timestamp's nanoseconds.
CALL store_both_ways(E'made,host=a,region=eu i=1i,f=1.5,b=t,s="x",u=7u 1000\n'
  'made,host=a,region=eu i=-9223372036854775808i,f=-1e300,b=f,s="",u=18446744073709551615u 1999\n'
  'made,host=a i=1i,f=2 -1\n'
  'made,host=a f=3,i=4i -1001\n'
  'made,region=eu,host=a i=1i 3000\n'
  'made i=1i 4000\n'
  'made,host=a\\ b,region=e\\,u s="q\\"uote",i=3i 5000\n'
  'made,host=ü s="größe",i=3i 6000\n'
  'made,host=a,region=eu i=5i,f=1.25,b=false,s="other",u=8u 7000');
CALL store_both_ways(format(E'sizes,t=%s s="%s",n=1i 1\nsizes,t=%s s="%s",n=2i 2\nsizes,t=%s s="%s",n=3i 3\nsizes,t=%s s="%s",n=4i 4',
  repeat('t', 126), repeat('s', 126), repeat('t', 127), repeat('s', 127),
  repeat('t', 130), repeat('s', 5000), repeat('t', 126), ''));
SELECT 'made', * FROM compare('made') UNION ALL SELECT 'sizes', * FROM compare('sizes');

-- A table of an owner: types that the values have to be made to fit, names in another order, columns
-- dropped, generated, with defaults; tags in columns that are no text.
CREATE DOMAIN percent AS int CHECK (VALUE BETWEEN 0 AND 100);
CREATE PROCEDURE make(definition text) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(definition, 'first_way');
  EXECUTE format(definition, 'short_way');
END $$;
CALL make('CREATE TABLE %I.owned (gone1 int, f4 real, n numeric, host varchar(5), i2 smallint, gone2 text, rack int,
  i4 int, flag boolean, time timestamptz(3) NOT NULL, p percent, note text DEFAULT ''none'', n0 numeric(6,0),
  twice bigint GENERATED ALWAYS AS (i4 * 2) STORED, j jsonb, c char(4), d date, f8 float8, day percent)');
CALL make('ALTER TABLE %I.owned DROP COLUMN gone1');
CALL make('ALTER TABLE %I.owned DROP COLUMN gone2');
CALL store_both_ways(E'owned,host=a,rack=7 i4=1i,i2=2i,f4=1.5,f8=3i,n=1.50,flag=true,p=5i,n0=12i,j="[1]",c="ab",d="2020-02-03" 1234567890123456789\n'
  'owned,host=a,rack=7 i4=2i,i2=-2i,f4=0.1,f8=3.25,n=18446744073709551615u,flag=f,p=100i,n0=1200i,j=1.5,c="abcd",d="1999-12-31" 1234567890123456\n'
  'owned,host=a,rack=7 i4=3,i2=4,f4=5i,f8=18446744073709549568u,n=7i,flag="yes",p=0i,n0=999999i,j=t,c="ü",d="epoch" 1\n'
  'owned,host=abcde,rack=-3,day=3 i4=3i,note="some" 2\n'
  'owned,host=abcde,rack=-3,day=3 i4=4i,note=1.5 2\n'
  'owned,host=abcde,rack=-3,day=4 i4=4i,note=t 2\n'
  'owned,host=abcde,rack=-3 i4=4i,note=-0.0 2');
SELECT * FROM compare('owned');

-- Keys in jsonb, partly or all of them; the time as nanoseconds, or without a zone.
CALL make('CREATE TABLE %I.json_both (_time bigint, _tags jsonb, _fields jsonb, host text, i bigint)');
CALL make('CREATE TABLE %I.json_tags (time timestamp, _tags jsonb, i bigint, f float8)');
CALL store_both_ways(E'json_both,host=a,x=1,y=2 i=1i,f=2 5\njson_both,host=a,x=1,y=2 i=2i,f=3 6\njson_both,host=a i=4i 7\njson_both,host=a i=5i 8');
CALL store_both_ways(E'json_tags,host=a,x=1,y=2 i=1i,f=2 5000\njson_tags,host=a,x=1,y=2 i=2i,f=3 6000\njson_tags i=4i,f=1 7000\njson_tags i=5i,f=2 8000');
SELECT 'json_both', * FROM compare('json_both') UNION ALL SELECT 'json_tags', * FROM compare('json_tags');

-- What does not fit is refused behind lines that did, and for the same reason.
SELECT insert_lines('first_way', 'owned,host=a,rack=7 i2=40000i 1');
SELECT insert_lines('short_way', E'owned,host=a,rack=7 i2=4i 1\nowned,host=a,rack=7 i2=5i 1\nowned,host=a,rack=7 i2=40000i 1');
SELECT insert_lines('first_way', 'owned,host=a,rack=7 p=101i 1');
SELECT insert_lines('short_way', E'owned,host=a,rack=7 p=4i 1\nowned,host=a,rack=7 p=5i 1\nowned,host=a,rack=7 p=101i 1');
SELECT insert_lines('short_way', E'owned,host=a,rack=7 f4=4 1\nowned,host=a,rack=7 f4=5 1\nowned,host=a,rack=7 f4=1e39 1');
SELECT insert_lines('short_way', E'made,host=a,region=eu i=5i 1\nmade,host=a,region=eu i=6i 1\nmade,host=a,region=eu i=6.5 1');
SELECT insert_lines('short_way', E'made,host=a,region=eu i=5i 1\nmade,host=a,region=eu i=6i 1\nmade,host=a,region=eu i="x" 1');
SELECT count(*) FROM short_way.made WHERE i IN (5, 6) AND f IS NULL;

-- A field named twice, and one of the name of a tag, also behind lines without.
SELECT insert_lines('short_way', E'named,t=a x=1,y=2 1\nnamed,t=a x=3,y=4 2\nnamed,t=a x=5,x=6 3\nnamed,t=a x=7,y=8 4');
SELECT x, y FROM short_way.named ORDER BY time;
SELECT insert_lines('short_way', E'named,t=a x=1,y=2 1\nnamed,t=a x=1,y=2 2\nnamed,t=a x=1,t=2 3');
SELECT insert_lines('short_way', E'named,x=1 y=2 1');

-- Another series with the same fields, of a measurement with the same, and the same again.
SELECT insert_lines('short_way', E'one,t=a v=1 1\ntwo,t=a v=2 1\none,t=b v=3 1\none,t=a v=4 2\ntwo,t=a v=5 2\none,u=a v=6 3\none,t=b v=7 3\none,t=a v=8 4');
SELECT * FROM short_way.one ORDER BY v;
SELECT * FROM short_way.two ORDER BY v;

SET client_min_messages = warning;
DROP SCHEMA first_way, short_way CASCADE;
DROP DOMAIN percent;
DROP FUNCTION store_one_by_one, store_together, compare;
DROP PROCEDURE store_both_ways, make;
