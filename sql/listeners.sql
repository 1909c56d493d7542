-- Listeners that survive a restart: the functions, what they refuse, and who may call them. The library is not
-- preloaded here, so that nothing is started.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
CREATE SCHEMA influx_listen;
CREATE ROLE regress_influx_admin SUPERUSER LOGIN;
SET ROLE regress_influx_admin;
\set SHOW_CONTEXT never

-- Without supervision the table is kept, and what is missing is told
SELECT listener_create('a', 'influx_listen', 18089);
SELECT listener_start('a');
SELECT listener_stop('a');
SELECT listener_alter('a', workers => 2);
TABLE influx_listeners;
SELECT listener_drop('a');
TABLE influx_listeners;
SET client_min_messages = error;

-- The error of a statement: SQLSTATE, message, detail, hint
CREATE FUNCTION influx_listen.error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  state text; message text; detail text; hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN others THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  message := regexp_replace(message, '^(could not resolve address .*"[^:]*): .*', '\1: ...');
  -- what depends on the server: its limits, and how it shows those of a setting
  message := regexp_replace(message, ' [(][0-9][^()]* [.][.] [^()]*[)]$', ' (...)');
  message := regexp_replace(message, 'need [0-9]+ background', 'need ... background');
  detail := regexp_replace(detail, 'has [0-9]+ at most', 'has ... at most');
  RETURN concat_ws(E'\n', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
GRANT USAGE ON SCHEMA influx_listen TO PUBLIC;
\pset format unaligned
\pset tuples_only on

-- All that a listener can have
SELECT listener_create('all', 'influx_listen', '18089', role => 'regress_influx_admin', address => '127.0.0.1, ::1',
  "precision" => 'u', workers => 3, batch_size => 10, batch_timeout => '1s', read_buffer => '8MB',
  allowed_sources => '10.0.0.0/8, ::1', enabled => false, transport => 'udp');
TABLE influx_listeners;
-- What is not given stays; what is reset is gone; a service is a text or an integer
SELECT listener_alter('all', 18090);
SELECT listener_alter('all', service => '18091', "precision" => 'ms', batch_size => 20);
TABLE influx_listeners;
SELECT listener_alter('all', reset => '{address,batch_size,batch_timeout,read_buffer,allowed_sources}', enabled => true);
SELECT listener_alter('all', NULL::integer);
TABLE influx_listeners;

-- Names
SELECT influx_listen.error_of($$SELECT listener_create('all', 'influx_listen', 18099)$$);
SELECT influx_listen.error_of($$SELECT listener_create('', 'influx_listen', 18099)$$);
SELECT statement, influx_listen.error_of('SELECT ' || statement) FROM unnest(ARRAY[
  'listener_alter(''none'')', 'listener_drop(''none'')', 'listener_stop(''none'')',
  'listener_alter(NULL)', 'listener_drop(NULL)', 'listener_stop(NULL)', 'listener_start(NULL)'
]) WITH ORDINALITY AS s (statement, i) ORDER BY i;

-- Arguments of listener_create(), one wrong at a time
SELECT argument, influx_listen.error_of(format($$SELECT listener_create(name => 'b', %s)$$,
    concat_ws(', ', argument, CASE WHEN argument !~ '^schema' THEN $$schema => 'influx_listen'$$ END,
                    CASE WHEN argument !~ '^service' THEN 'service => 18099' END)))
  FROM unnest(ARRAY[
  $$schema => NULL$$, $$schema => 'influx_nosuch'$$, $$schema => 4294967295::oid::regnamespace$$,
  $$schema => 'pg_catalog'$$, $$schema => 'information_schema'$$,
  $$service => NULL::text$$, $$service => 0$$, $$service => 65536$$, $$service => ''$$, $$service => 'no-such-service-of-influx'$$,
  $$role => 'regress_influx_nosuch'$$,
  $$address => ''$$, $$address => 'a,,b'$$, $$address => '[::g]'$$, $$address => '192.0.2.1'$$,
  $$"precision" => NULL$$, $$"precision" => 'd'$$,
  $$workers => NULL$$, $$workers => 0$$, $$workers => 65$$, $$workers => 64$$,
  $$batch_size => 0$$, $$batch_size => 1000001$$,
  $$batch_timeout => ''$$, $$batch_timeout => '0'$$, $$batch_timeout => '2min'$$, $$batch_timeout => '1MB'$$,
  $$read_buffer => '1kB'$$, $$read_buffer => '1s'$$,
  $$allowed_sources => '10.0.0.1/8'$$, $$allowed_sources => 'localhost'$$,
  $$enabled => NULL$$, $$transport => NULL$$, $$transport => 'tcp'$$
]) WITH ORDINALITY AS s (argument, i) ORDER BY i;
-- and of listener_alter()
SELECT argument, influx_listen.error_of(format($$SELECT listener_alter('all', %s)$$, argument))
  FROM unnest(ARRAY[
  $$schema => 'pg_catalog'$$, $$service => 'no-such-service-of-influx'$$, $$role => 'regress_influx_nosuch'$$,
  $$address => '192.0.2.1'$$, $$"precision" => 'd'$$, $$workers => 65$$, $$batch_size => 0$$, $$batch_timeout => '1MB'$$,
  $$reset => '{name}'$$, $$reset => '{NULL}'$$, $$reset => '{batch_size}', batch_size => 1$$
]) WITH ORDINALITY AS s (argument, i) ORDER BY i;
-- Nothing of all this was kept
TABLE influx_listeners;

-- One port on one address is of one listener
DELETE FROM influx_listeners;
SELECT listener_create('loopback', 'influx_listen', 18089, address => '127.0.0.1');
SELECT listener_create('other port', 'influx_listen', 18090, address => '127.0.0.1');
SELECT listener_create('other family', 'influx_listen', 18089, address => '0:0:0:0:0:0:0:0', enabled => false);
SELECT address, influx_listen.error_of(format($$SELECT listener_create('b', 'influx_listen', 18089, address => %L)$$, address))
  FROM unnest('{NULL,127.0.0.1,0.0.0.0,*,localhost,"127.0.0.2, 127.0.0.1"}'::text[]) WITH ORDINALITY AS s (address, i) ORDER BY i;
SELECT listener_create('beside', 'influx_listen', 18089, address => '127.0.0.2');
SELECT influx_listen.error_of($$SELECT listener_alter('other port', 18089)$$);
-- One that is disabled takes no port, until it is enabled
SELECT listener_create('spare', 'influx_listen', 18089, enabled => false);
SELECT influx_listen.error_of($$SELECT listener_alter('spare', enabled => true)$$);
SELECT listener_stop('loopback');
SELECT listener_stop('beside');
SELECT listener_alter('spare', enabled => true);
SELECT name, enabled FROM influx_listeners ORDER BY name;

-- What is always wrong cannot be written to the table either
DELETE FROM influx_listeners;
SELECT wrong, influx_listen.error_of(format('INSERT INTO influx_listeners SELECT * FROM json_populate_record(%L::influx_listeners, %L)',
    '(a,s,r,udp,,1,ns,1,,,,,t)', wrong)) LIKE '23514%' AS refused
  FROM unnest(ARRAY['{"name":""}', '{"schema":"pg_toast"}', '{"schema":"information_schema"}', '{"role":""}', '{"transport":"tcp"}',
  '{"address":""}', '{"service":""}', '{"precision":"d"}', '{"workers":0}', '{"workers":65}', '{"batch_size":0}',
  '{"batch_timeout":""}', '{"read_buffer":""}']) WITH ORDINALITY AS s (wrong, i) ORDER BY i;
-- but what may come to work: a restore is not refused
INSERT INTO influx_listeners (name, schema, role, service) VALUES ('restored', 'later', 'later', '1');
UPDATE influx_listeners SET enabled = false;
TRUNCATE influx_listeners;
SELECT influx_listen.error_of('SELECT influx_listeners_changed()');
SELECT influx_listen.error_of('SET TRANSACTION READ ONLY; SELECT listener_drop(''a'')') LIKE '25006%' AS read_only;

-- Roles: who may not log in, has no USAGE, may not connect
RESET ROLE;
CREATE SCHEMA influx_listen_closed;
CREATE ROLE regress_influx_nologin NOLOGIN;
CREATE ROLE regress_influx_one LOGIN;
CREATE ROLE regress_influx_two LOGIN;
CREATE ROLE regress_influx_watcher IN ROLE pg_monitor;
SELECT influx_listen.error_of($$SELECT listener_create('b', 'influx_listen', 18089, role => 'regress_influx_nologin')$$);
SELECT influx_listen.error_of($$SELECT listener_create('b', 'influx_listen_closed', 18089, role => 'regress_influx_one')$$);
SELECT replace(influx_listen.error_of(format($$REVOKE CONNECT ON DATABASE %1$I FROM PUBLIC;
  SELECT listener_create('b', 'influx_listen', 18089, role => 'regress_influx_one')$$, current_database())), current_database(), '...');
-- EXECUTE is revoked from PUBLIC
SET ROLE regress_influx_one;
SELECT influx_listen.error_of($$SELECT listener_create('b', 'influx_listen', 18089)$$);
SELECT influx_listen.error_of($$SELECT listener_drop('b')$$);
RESET ROLE;
SELECT format('GRANT EXECUTE ON FUNCTION %s TO regress_influx_one, regress_influx_two', oid::regprocedure)
  FROM pg_proc WHERE proname ~ '^listener_' \gexec
-- One's own, and nobody else's
SET ROLE regress_influx_one;
SELECT listener_create('mine', 'influx_listen', 18089);
SELECT influx_listen.error_of($$SELECT listener_create('b', 'influx_listen', 18090, role => 'regress_influx_two')$$);
SELECT influx_listen.error_of($$SELECT listener_alter('mine', role => 'regress_influx_two')$$);
SELECT influx_listen.error_of($$SELECT listener_create('b', 'influx_listen_closed', 18090)$$);
SELECT influx_listen.error_of($$INSERT INTO influx_listeners (name, schema, role, service) VALUES ('b', 's', 'r', '1')$$);
-- Whom it hears is for the administrator
SELECT influx_listen.error_of($$SELECT listener_alter('mine', address => '*')$$);
SELECT influx_listen.error_of($$SELECT listener_alter('mine', allowed_sources => '')$$);
SELECT listener_alter('mine', batch_size => 5, batch_timeout => '1s', read_buffer => '1MB');
RESET ROLE;
SELECT listener_alter('mine', address => '127.0.0.1', allowed_sources => '127.0.0.1');
SET ROLE regress_influx_one;
SELECT listener_alter('mine', batch_size => 6);
SELECT influx_listen.error_of($$SELECT listener_alter('mine', 18090)$$);
SELECT influx_listen.error_of($$SELECT listener_alter('mine', reset => '{address}')$$);
SELECT influx_listen.error_of($$SELECT listener_alter('mine', reset => '{allowed_sources}')$$);
SELECT listener_alter('mine', reset => '{batch_size}');
RESET ROLE;
GRANT SET ON PARAMETER influx.listen_addresses, influx.allowed_sources TO regress_influx_one;
SET ROLE regress_influx_one;
SELECT listener_alter('mine', 18090, address => '127.0.0.2', allowed_sources => '');
RESET ROLE;
SET ROLE regress_influx_two;
SELECT name FROM influx_listeners;
SELECT call, influx_listen.error_of('SELECT ' || call) FROM unnest(ARRAY[
  $$listener_alter('mine', workers => 2)$$, $$listener_drop('mine')$$, $$listener_stop('mine')$$]) WITH ORDINALITY AS s (call, i) ORDER BY i;
RESET ROLE;
SET ROLE regress_influx_watcher;
SELECT name, role, service, address FROM influx_listeners;
RESET ROLE;
-- A member of the role may
GRANT regress_influx_one TO regress_influx_two;
SET ROLE regress_influx_two;
SELECT name, service FROM influx_listeners;
SELECT listener_alter('mine', role => 'regress_influx_two');
SELECT role FROM influx_listeners;
RESET ROLE;
-- Of a role that is gone, for superusers
UPDATE influx_listeners SET role = 'regress_influx_gone';
SET ROLE regress_influx_two;
SELECT influx_listen.error_of($$SELECT listener_stop('mine')$$);
RESET ROLE;
SELECT listener_stop('mine');
SELECT influx_listen.error_of($$SELECT listener_alter('mine')$$);
SELECT listener_drop('mine');
TABLE influx_listeners;
\pset format aligned
\pset tuples_only off

REVOKE SET ON PARAMETER influx.listen_addresses, influx.allowed_sources FROM regress_influx_one;
SELECT format('REVOKE EXECUTE ON FUNCTION %s FROM regress_influx_one, regress_influx_two', oid::regprocedure)
  FROM pg_proc WHERE proname ~ '^listener_' \gexec
DROP OWNED BY regress_influx_admin;
DROP SCHEMA IF EXISTS influx_listen, influx_listen_closed CASCADE;
DROP ROLE regress_influx_admin, regress_influx_nologin, regress_influx_one, regress_influx_two, regress_influx_watcher;
