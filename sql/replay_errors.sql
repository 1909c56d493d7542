-- What an error leaves behind in the server, where influx_replay() goes on behind it.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
\set SHOW_CONTEXT never
DELETE FROM influx_rejects;

CREATE FUNCTION put_rejects(schema text, "precision" text, line text, count int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
  SELECT now(), $1, 1, 'x', $2, convert_to(format($3, n), 'UTF8'), '00000', 'x' FROM generate_series(1, $4) AS n
$$;

-- Lines of one schema, and of one precision, are refused at the INSERT; then come others.
DO $$
BEGIN
  FOR i IN 1..3 LOOP
    EXECUTE format('CREATE SCHEMA replay_%s', i);
    EXECUTE format('CREATE TABLE replay_%s.m (time timestamptz, h text, v float8 CHECK (v > 0))', i);
    PERFORM put_rejects('replay_' || i, 'ns', 'm,h=a%s v=-1 1700000000000000000', 5);
    PERFORM put_rejects('replay_' || i, 's', 'm,h=a%s v=-1 1700000000', 5);
    PERFORM put_rejects('replay_' || i, 'ms', 'm,h=a%s v=1 1700000000000', 5);
  END LOOP;
END $$;
SELECT * FROM influx_replay();
SELECT * FROM influx_replay();
SELECT count(*) FROM replay_1.m;

-- The error comes from a statement within the INSERT, which has rows of the same name itself.
CREATE TABLE replay_1.inner (time timestamptz, v bigint CHECK (v < 5));
CREATE TABLE replay_1.outer (time timestamptz, v bigint);
CREATE FUNCTION replay_1.pass_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM insert_lines('replay_1', format(E'inner v=%si\ninner v=%si', NEW.v, NEW.v));
  RETURN NEW;
END $$;
CREATE TRIGGER pass_on BEFORE INSERT ON replay_1.outer FOR EACH ROW EXECUTE FUNCTION replay_1.pass_on();
DELETE FROM influx_rejects;
SELECT put_rejects('replay_1', 'ns', 'outer v=%si', 9);
SELECT put_rejects('replay_1', 's', 'outer v=1%si', 3);
SELECT put_rejects('replay_2', 'ns', 'm,h=b%s v=2', 2);
SELECT * FROM influx_replay();
SELECT count(*), max(v) FROM replay_1.outer;
SELECT count(*), max(v) FROM replay_1.inner;

-- The caller catches an error that ends the call: what was open is closed.
CREATE FUNCTION replay_1.cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE query_canceled; END $$;
CREATE TRIGGER cancel BEFORE INSERT ON replay_2.m FOR EACH ROW EXECUTE FUNCTION replay_1.cancel();
DELETE FROM influx_rejects;
SELECT put_rejects('replay_1', 'ns', 'm,h=c%s v=3', 2);
SELECT put_rejects('replay_2', 'ns', 'm,h=c%s v=3', 2);
CREATE TABLE replay_1.caught (what text);
DO $$
BEGIN
  BEGIN
    PERFORM influx_replay();
  EXCEPTION WHEN query_canceled THEN
    INSERT INTO replay_1.caught VALUES ('a cancel');
  END;
  BEGIN
    RAISE division_by_zero;
  EXCEPTION WHEN division_by_zero THEN
    INSERT INTO replay_1.caught VALUES ('another error');
  END;
END $$;
SELECT * FROM replay_1.caught;
-- It warns where a transaction is left open.
BEGIN;
ROLLBACK;
SELECT * FROM replay_1.caught;
SELECT count(*) FROM influx_rejects;

DROP FUNCTION put_rejects;
DROP SCHEMA replay_1, replay_2, replay_3 CASCADE;
