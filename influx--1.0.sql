-- complain if the script is sourced in psql, rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION influx" to load this file. \quit

CREATE FUNCTION @extschema@.worker_launch(namespace pg_catalog.regnamespace, service pg_catalog.text, "precision" pg_catalog.text DEFAULT 'ns')
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.worker_launch(pg_catalog.regnamespace, pg_catalog.text, pg_catalog.text)
IS 'start a listener on a UDP port or service that stores points in tables of a schema';

CREATE FUNCTION @extschema@.worker_launch(namespace pg_catalog.regnamespace, service integer, "precision" pg_catalog.text DEFAULT 'ns')
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.worker_launch(pg_catalog.regnamespace, integer, pg_catalog.text)
IS 'start a listener on a UDP port that stores points in tables of a schema';

CREATE FUNCTION @extschema@.worker_launch(service pg_catalog.text)
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_here'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.worker_launch(pg_catalog.text)
IS 'start a listener on a UDP port or service that stores points in tables of this function''s schema';

CREATE FUNCTION @extschema@.worker_launch(service integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_here_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION @extschema@.worker_launch(integer)
IS 'start a listener on a UDP port that stores points in tables of this function''s schema';

CREATE FUNCTION @extschema@.influx_workers()
RETURNS TABLE (
  pid integer, database pg_catalog.name, schema pg_catalog.name, port integer, role pg_catalog.name, "precision" pg_catalog.text, state pg_catalog.text,
  started pg_catalog.timestamptz, datagrams bigint, bytes bigint, lines bigint, stored bigint, rejected bigint,
  rejected_by pg_catalog.jsonb, waiting bigint, kernel_drops bigint, truncated bigint, filtered bigint,
  lost_datagrams bigint, batches bigint, retries bigint, restarts integer, last_error pg_catalog.text,
  last_error_time pg_catalog.timestamptz)
AS 'MODULE_PATHNAME', 'influx_workers'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION @extschema@.influx_workers()
IS 'the listeners of this server, and what they have counted';

CREATE PROCEDURE @extschema@.send_packet(packet pg_catalog.text, service pg_catalog.text, hostname pg_catalog.text DEFAULT 'localhost')
AS 'MODULE_PATHNAME', 'influx_send_packet'
LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.send_packet(pg_catalog.text, pg_catalog.text, pg_catalog.text)
IS 'send a text as one UDP datagram';

CREATE PROCEDURE @extschema@.send_packet(packet pg_catalog.text, service integer, hostname pg_catalog.text DEFAULT 'localhost')
AS 'MODULE_PATHNAME', 'influx_send_packet_port'
LANGUAGE C;
COMMENT ON PROCEDURE @extschema@.send_packet(pg_catalog.text, integer, pg_catalog.text)
IS 'send a text as one UDP datagram';

CREATE FUNCTION @extschema@.parse_influx(lines pg_catalog.text, "precision" pg_catalog.text DEFAULT 'ns')
RETURNS TABLE (_metric pg_catalog.text, _time pg_catalog.timestamptz, _tags pg_catalog.jsonb, _fields pg_catalog.jsonb)
AS 'MODULE_PATHNAME', 'influx_parse'
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION @extschema@.parse_influx(pg_catalog.text, pg_catalog.text)
IS 'the points of a text in line protocol';

CREATE FUNCTION @extschema@.insert_lines(namespace pg_catalog.regnamespace, lines pg_catalog.text, "precision" pg_catalog.text DEFAULT 'ns')
RETURNS bigint
AS 'MODULE_PATHNAME', 'influx_insert_lines'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION @extschema@.insert_lines(pg_catalog.regnamespace, pg_catalog.text, pg_catalog.text)
IS 'store a text in line protocol in tables of a schema, all of it or nothing';

CREATE FUNCTION @extschema@._create(metric pg_catalog.name, tags pg_catalog.name[], fields pg_catalog.name[])
RETURNS pg_catalog.regclass
AS 'MODULE_PATHNAME', 'influx_create'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION @extschema@._create(pg_catalog.name, pg_catalog.name[], pg_catalog.name[])
IS 'make the table of a measurement; a function of this name and type in a target schema replaces it there';

CREATE TABLE @extschema@.influx_rejects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  time pg_catalog.timestamptz NOT NULL,
  schema pg_catalog.name,
  port integer NOT NULL,
  role pg_catalog.name,
  "precision" pg_catalog.text NOT NULL,
  sender pg_catalog.inet,
  sender_port integer,
  measurement pg_catalog.text,
  line pg_catalog.bytea NOT NULL,
  "position" integer,
  sqlstate pg_catalog.text NOT NULL,
  reason pg_catalog.text NOT NULL
);
COMMENT ON TABLE @extschema@.influx_rejects IS 'lines that listeners could not store, the latest influx.max_rejects of them';
COMMENT ON COLUMN @extschema@.influx_rejects.time IS 'when the line was received';
COMMENT ON COLUMN @extschema@.influx_rejects.schema IS 'schema of the listener';
COMMENT ON COLUMN @extschema@.influx_rejects.role IS 'role of the listener, whose members see the row';
COMMENT ON COLUMN @extschema@.influx_rejects.position IS 'byte of a malformed line at which it went wrong, from 1';
SELECT pg_catalog.pg_extension_config_dump('@extschema@.influx_rejects', '');
SELECT pg_catalog.pg_extension_config_dump('@extschema@.influx_rejects_id_seq', '');

-- What was sent to a listener is for those who may act as its role, and so read what it stores.
ALTER TABLE @extschema@.influx_rejects ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_of_listener ON @extschema@.influx_rejects FOR SELECT
USING (EXISTS (SELECT FROM pg_catalog.pg_roles
                WHERE rolname OPERATOR(pg_catalog.=) role AND pg_catalog.pg_has_role(oid, 'USAGE')));
GRANT SELECT ON @extschema@.influx_rejects TO PUBLIC;

CREATE FUNCTION @extschema@.influx_replay(since pg_catalog.timestamptz DEFAULT '-infinity', until pg_catalog.timestamptz DEFAULT 'infinity',
                              measurement pg_catalog.text DEFAULT NULL)
RETURNS TABLE (stored bigint, rejected bigint)
AS 'MODULE_PATHNAME', 'influx_replay'
LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION @extschema@.influx_replay(pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.text)
IS 'store lines of influx_rejects that were received from since until before until, and remove them there';

-- Opening ports and sending into the network is for those whom an administrator allows it.
REVOKE EXECUTE ON FUNCTION @extschema@.worker_launch(pg_catalog.regnamespace, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.worker_launch(pg_catalog.regnamespace, integer, pg_catalog.text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.worker_launch(pg_catalog.text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.worker_launch(integer) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE @extschema@.send_packet(pg_catalog.text, pg_catalog.text, pg_catalog.text) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE @extschema@.send_packet(pg_catalog.text, integer, pg_catalog.text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION @extschema@.influx_replay(pg_catalog.timestamptz, pg_catalog.timestamptz, pg_catalog.text) FROM PUBLIC;

-- It shows listeners of all databases.
REVOKE EXECUTE ON FUNCTION @extschema@.influx_workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @extschema@.influx_workers() TO pg_monitor;
