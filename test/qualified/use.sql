-- Has the module run every one of its statements. :port is free.
\set ON_ERROR_STOP 1
CREATE SCHEMA m;
CREATE TABLE m.checked (time timestamptz, v bigint CHECK (v < 100));
CREATE TABLE m.keyed (time timestamptz, host text, v double precision, PRIMARY KEY (time, host));
CREATE TABLE m.json_keyed (_time timestamptz, _tags jsonb, _fields jsonb, PRIMARY KEY (_time));
CREATE TABLE m.arrays (time timestamptz, v text[]);
SELECT influx.insert_lines('m', 'made,host=a v=1,n=2i,s="x" 1');
SELECT influx.insert_lines('m', 'made,host=a,rack=b v=1,w=3u 2');
SELECT influx.insert_lines('m', E'keyed,host=a v=1 1\nkeyed,host=a v=2 1');
SELECT influx.insert_lines('m', E'json_keyed,host=a v=1 1\njson_keyed,host=a w=2 1');
SET influx.on_conflict = nothing;
SELECT influx.insert_lines('m', 'keyed,host=a v=3 1');
RESET influx.on_conflict;
SET influx.layout = json;
SELECT influx.insert_lines('m', 'made_json,host=a v=1 1');
RESET influx.layout;
SET influx.row_source = arrays;
SELECT influx.insert_lines('m', 'made,host=a v=1 1');
SELECT influx.insert_lines('m', 'arrays v="{a,b}" 1');
RESET influx.row_source;
CREATE FUNCTION m._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS
  $$ BEGIN EXECUTE format('CREATE TABLE m.%I (time timestamptz, v float8)', metric); RETURN format('m.%I', metric)::regclass; END $$;
SELECT influx.insert_lines('m', 'by_function v=1 1');
SELECT influx.listener_create('one', 'm', :port, enabled => false);
SELECT influx.listener_alter('one', :port, batch_size => 10);
SELECT influx.listener_drop('one');
SELECT influx.worker_launch('m', :port) > 0 AS launched;
CREATE PROCEDURE wait_for(refused bigint) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 600 LOOP
    EXIT WHEN (SELECT max(rejected) FROM influx.pg_stat_influx) = refused;
    PERFORM pg_sleep(0.1);
  END LOOP;
END $$;
-- Batch after batch, up to more than are kept
CALL influx.send_packet(E'checked v=100i 1\nchecked v=1i 2', :port);
CALL wait_for(1);
CALL influx.send_packet('checked v=x 3', :port);
CALL wait_for(2);
CALL influx.send_packet(E'checked v=x 4\nchecked v=x 5', :port);
CALL wait_for(4);
CALL influx.send_packet('checked v=102i 6', :port);
CALL wait_for(5);
SELECT count(*) AS kept FROM influx.influx_rejects;
ALTER TABLE m.checked DROP CONSTRAINT checked_v_check;
SELECT * FROM influx.influx_replay();
SELECT count(*) AS stopped FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'influx listener') AS ended;
