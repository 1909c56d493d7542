-- Values of the right kind that a column's own limits (length, scale, domain) do not take: they do not
-- fit, and so go to _fields or _tags, else their line is refused with the column and the reason.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx;
RESET client_min_messages;
\set SHOW_CONTEXT never
\pset format unaligned
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA influx_limits;
CREATE DOMAIN influx_limits.percent AS float8 CHECK (VALUE BETWEEN 0 AND 100);
CREATE DOMAIN influx_limits.code AS varchar(3) CHECK (VALUE <> 'bad');
CREATE TABLE influx_limits.plain (
  time timestamptz, vc varchar(3), ch char(3), n52 numeric(5,2), n20 numeric(20,0), bits bit(3),
  pct influx_limits.percent, code influx_limits.code);
CREATE TABLE influx_limits.loose (LIKE influx_limits.plain, _tags jsonb, _fields jsonb);

CREATE FUNCTION influx_limits.put(lines text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text;
BEGIN
  RETURN insert_lines('influx_limits', lines) || ' stored';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
  RETURN regexp_replace(state || ' ' || message, ' of type .*', '');
END $$;

SELECT field, influx_limits.put('plain ' || field || ' ' || i * 1000) AS plain, influx_limits.put('loose ' || field || ' ' || i * 1000) AS loose
  FROM unnest(ARRAY[
    'vc="abc"', 'vc="abcd"', 'vc=1234i', 'vc=true', 'ch="abc"', 'ch="abcd"',
    'n52=999.99', 'n52=1000', 'n52=1000i', 'n52=18446744073709551615u', 'n52="1234"',
    'n20=1.5', 'n20=2', 'n20=1e20', 'n20=18446744073709551615u',
    'bits="101"', 'bits="10"', 'bits="1010"',
    'pct=100', 'pct=100.5', 'pct=-1i', 'code="abc"', 'code="bad"', 'code="abcd"'
  ]) WITH ORDINALITY AS f (field, i) ORDER BY i;
SELECT tag, influx_limits.put('plain,' || tag || ' v=1 ' || i * 1000) AS plain, influx_limits.put('loose,' || tag || ' v=1 ' || i * 1000) AS loose
  FROM unnest(ARRAY['vc=abcd', 'pct=101', 'code=bad', 'bits=10', 'n20=1.5']) WITH ORDINALITY AS t (tag, i) ORDER BY i;
SELECT count(*) FROM influx_limits.plain;
SELECT * FROM influx_limits.loose WHERE _tags IS NULL ORDER BY time;
SELECT _tags, _fields FROM influx_limits.loose WHERE _tags IS NOT NULL ORDER BY time;
-- A value that does not fit costs its line in full: where, what, why
SELECT insert_lines('influx_limits', E'plain vc="abc" 1000\nplain vc="abcd" 2000');

SET client_min_messages = warning;
DROP SCHEMA influx_limits CASCADE;
