-- worker_launch() and send_packet(): what is wrong with their arguments, and who may call them.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
CREATE SCHEMA influx_launch;

-- The error of a statement: SQLSTATE, message, hint. What the system's own resolver says is left out.
CREATE FUNCTION influx_launch.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := regexp_replace(message, '^(could not resolve host .*"): .*', '\1: ...');
  RETURN concat_ws(E'\n', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
\pset format unaligned
\pset tuples_only on

-- The schema
SELECT influx_launch.error_of($$SELECT worker_launch('influx_nosuch', '8089')$$);
SELECT influx_launch.error_of($$SELECT worker_launch(4294967295::oid::regnamespace, '8089')$$);
SELECT influx_launch.error_of($$SELECT worker_launch(4294967295::oid::regnamespace, 8089)$$);
-- The service
SELECT service, influx_launch.error_of(format('SELECT worker_launch(''influx_launch'', %L)', service)), influx_launch.error_of(format('SELECT worker_launch(%L)', service))
  FROM unnest('{"",0,00,65536,70000,99999999999999999999,-1,+8089,"8089 "," 8089",8089.0,0x1f99,no such service,no-such-service-of-influx,"a\"b"}'::text[]) WITH ORDINALITY AS s (service, i) ORDER BY i;
SELECT service, influx_launch.error_of(format('SELECT worker_launch(''influx_launch'', %s)', service)), influx_launch.error_of(format('SELECT worker_launch(%s)', service))
  FROM unnest('{0,65536,70000,2147483647,(-1)}'::text[]) WITH ORDINALITY AS s (service, i) ORDER BY i;
-- The precision, which is looked at before a port is opened
SELECT unit, influx_launch.error_of(format('SELECT worker_launch(''influx_launch'', ''8089'', %L)', unit)), influx_launch.error_of(format('SELECT worker_launch(''influx_launch'', 8089, "precision" => %L)', unit))
  FROM unnest('{"",d,NS,nanosecond,"ns "}'::text[]) WITH ORDINALITY AS u (unit, i) ORDER BY i;
-- NULL
SELECT statement, influx_launch.error_of('SELECT ' || statement) FROM unnest(ARRAY[
  'worker_launch(NULL, ''8089'')', 'worker_launch(NULL, 8089)', 'worker_launch(''influx_launch'', NULL::text)', 'worker_launch(''influx_launch'', NULL::int)',
  'worker_launch(''influx_launch'', ''8089'', NULL)', 'worker_launch(''influx_launch'', 8089, NULL)', 'worker_launch(NULL::text)', 'worker_launch(NULL::int)'
]) WITH ORDINALITY AS s (statement, i) ORDER BY i;

-- The role: one that may not log in, one without EXECUTE, one without USAGE
CREATE ROLE regress_influx_nologin NOLOGIN;
GRANT USAGE ON SCHEMA influx_launch TO regress_influx_nologin;
SET ROLE regress_influx_nologin;
SELECT influx_launch.error_of($$SELECT worker_launch('influx_launch', '8089')$$);
RESET ROLE;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, text, text), worker_launch(regnamespace, integer, text), worker_launch(text), worker_launch(integer) TO regress_influx_nologin;
SET ROLE regress_influx_nologin;
SELECT influx_launch.error_of($$SELECT worker_launch('influx_launch', '8089')$$);
SELECT influx_launch.error_of($$SELECT worker_launch('influx_launch', 8089)$$);
SELECT influx_launch.error_of($$SELECT worker_launch('8089')$$);
SELECT influx_launch.error_of($$SELECT worker_launch(8089)$$);
RESET ROLE;
CREATE SCHEMA influx_launch_closed;
CREATE ROLE regress_influx_login LOGIN;
GRANT USAGE ON SCHEMA influx_launch TO regress_influx_login;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, text, text) TO regress_influx_login;
SET ROLE regress_influx_login;
SELECT influx_launch.error_of($$SELECT worker_launch('influx_launch_closed', '8089')$$);
SELECT influx_launch.error_of($$SELECT worker_launch('influx_launch', 8089)$$);
SELECT influx_launch.error_of($$CALL send_packet('m v=1', '8089')$$);
RESET ROLE;
-- As psql shows it
\pset format aligned
\pset tuples_only off
SELECT worker_launch('influx_nosuch', '8089');
SELECT worker_launch('influx_launch', 'no-such-service-of-influx');
SELECT worker_launch('influx_launch', 8089, 'd');
SET ROLE regress_influx_nologin;
SELECT worker_launch('influx_launch', 8089);
RESET ROLE;
\pset format unaligned
\pset tuples_only on

-- send_packet(): the service
SELECT service, influx_launch.error_of(format('CALL send_packet(''m v=1'', %L)', service))
  FROM unnest('{"",0,65536,-1,no-such-service-of-influx}'::text[]) WITH ORDINALITY AS s (service, i) ORDER BY i;
SELECT service, influx_launch.error_of(format('CALL send_packet(''m v=1'', %s)', service))
  FROM unnest('{0,65536,(-1)}'::text[]) WITH ORDINALITY AS s (service, i) ORDER BY i;
-- The host: none of these is asked for in the network
SELECT host, influx_launch.error_of(format('CALL send_packet(''m v=1'', 8089, %L)', host)), influx_launch.error_of(format('CALL send_packet(''m v=1'', ''8089'', hostname => %L)', host))
  FROM unnest('{"",[::g],[localhost],[127.0.0.1],[::1::1]}'::text[]) WITH ORDINALITY AS h (host, i) ORDER BY i;
-- The packet
SELECT influx_launch.error_of($$CALL send_packet(repeat('x', 66000), 8089)$$), influx_launch.error_of($$CALL send_packet(repeat('x', 65508), '8089', '127.0.0.1')$$);
SELECT influx_launch.error_of($$CALL send_packet(repeat('x', 10000000), 8089)$$);
-- NULL
SELECT influx_launch.error_of($$CALL send_packet(NULL, 8089)$$), influx_launch.error_of($$CALL send_packet('m v=1', NULL::int)$$);
SELECT influx_launch.error_of($$CALL send_packet('m v=1', NULL::text)$$), influx_launch.error_of($$CALL send_packet('m v=1', 8089, NULL)$$);
\pset format aligned
\pset tuples_only off

-- No listener was left behind
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx listener' AND datname = current_database();

SET client_min_messages = warning;
REVOKE ALL ON FUNCTION worker_launch(regnamespace, text, text), worker_launch(regnamespace, integer, text), worker_launch(text), worker_launch(integer) FROM regress_influx_nologin, regress_influx_login;
DROP SCHEMA influx_launch, influx_launch_closed CASCADE;
DROP ROLE regress_influx_nologin, regress_influx_login;
