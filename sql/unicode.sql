-- Texts that are not ASCII; only in a database of encoding UTF8.
SELECT getdatabaseencoding() <> 'UTF8' AS other_encoding \gset
\if :other_encoding
\quit
\endif
SET client_encoding = 'UTF8';
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_utf8;
CREATE FUNCTION influx_utf8.error_of(line text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN insert_lines('influx_utf8', line) || ' stored';
EXCEPTION WHEN others THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- All bytes from 0x80 on are ordinary: white space of other scripts, line ends, a byte-order mark
SELECT * FROM parse_influx('wärme,straße=Köln,城市=北京 größe="groß, 🐘 größer",é=1.5 1000');
SELECT length(_metric), length(_fields->>'s') FROM parse_influx(U&'\FEFFm\00A0\0085\2028 s="\2028\0085"');
SELECT _tags FROM parse_influx(U&'m,e\0301=a,\00E9=b v=1');
-- Positions count bytes, and a line that is cut in the message is cut between characters
SELECT * FROM parse_influx('größe,t=ä v=oops');
SELECT * FROM parse_influx('m,t=x' || repeat('ä', 150) || ' v=oops');
SELECT * FROM parse_influx('m,t=' || repeat('ä', 150) || ' v=oops');

-- Tables and columns
SELECT insert_lines('influx_utf8', 'wärme,straße=Köln,城市=北京 größe="groß 🐘",É=1.5,é=2 1000');
SELECT * FROM influx_utf8.wärme;
SELECT insert_lines('influx_utf8', 'wärme,straße=Bonn größe=7i 2000'), insert_lines('influx_utf8', 'WÄRME É=1 3000');
SELECT straße, größe FROM influx_utf8.wärme ORDER BY time;
SELECT relname FROM pg_class WHERE relnamespace = 'influx_utf8'::regnamespace ORDER BY relname COLLATE "C";
-- A name's length is that of its bytes: 31 letters of two and one of one are 63 bytes
SELECT insert_lines('influx_utf8', repeat('ä', 31) || 'x,' || repeat('ö', 31) || 'x=a ' || repeat('ü', 31) || 'x=1 1000');
SELECT insert_lines('influx_utf8', repeat('ä', 32) || ' v=1 1000');
SELECT insert_lines('influx_utf8', 'm,' || repeat('ö', 32) || '=a v=1 1000');
SELECT insert_lines('influx_utf8', 'wärme ' || repeat('ü', 32) || '=1 1000');
-- The same with characters of two, three and four bytes across the end: nothing is cut
SELECT octet_length(name), left(influx_utf8.error_of(name || ' v=1 1000'), 60) AS table, left(influx_utf8.error_of('end ' || name || '=1 1000'), 120) AS column
  FROM unnest(ARRAY[repeat('b', 61) || 'é', repeat('b', 62) || 'é', repeat('c', 60) || '€', repeat('c', 61) || '€', repeat('d', 59) || '🐘', repeat('d', 60) || '🐘', repeat('d', 63) || '🐘'])
  WITH ORDINALITY AS n (name, i) ORDER BY i;
-- What cannot be seen, or changes the direction: each makes a name of its own, and none is folded into another
CREATE SCHEMA influx_unseen;
CREATE TEMPORARY TABLE names AS SELECT name, i FROM unnest(ARRAY['cpu',
  U&'cpu\202Eupc', U&'\202E', U&'cpu\200B', U&'\200Bcpu', U&'\200D', U&'\FEFFcpu', U&'\00A0', U&'a\2028b', U&'\2066x\2069', U&'e\0301', U&'\00E9', U&'\FF43pu'
]) WITH ORDINALITY AS n (name, i);
SELECT sum(insert_lines('influx_unseen', format(E'%1$s v=1 1000\nkeys,%1$s=a v=1 1000\nfields %1$s=1 1000', name))) FROM names;
SELECT convert_to(name, 'UTF8') AS name,
       (SELECT count(*) FROM pg_class WHERE relnamespace = 'influx_unseen'::regnamespace AND relname::text = name) AS tables,
       (SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_unseen.keys'::regclass AND attname::text = name) AS tags,
       (SELECT count(*) FROM pg_attribute WHERE attrelid = 'influx_unseen.fields'::regclass AND attname::text = name) AS fields
  FROM names ORDER BY i;
-- Lengths of a column count characters
CREATE TABLE influx_utf8.short (time timestamptz, s varchar(3));
SELECT insert_lines('influx_utf8', 'short s="äöü" 1000');
SELECT s FROM influx_utf8.short;
SET influx.layout = json;
SELECT insert_lines('influx_utf8', 'json,straße=Köln 城="\"市\"",größe=1 1000');
SELECT * FROM influx_utf8.json;
RESET influx.layout;

SET client_min_messages = warning;
DROP SCHEMA influx_utf8, influx_unseen CASCADE;
