-- complain if the script is sourced in psql, rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION influx" to load this file. \quit

CREATE FUNCTION worker_launch(namespace regnamespace, service text, "precision" text DEFAULT 'ns')
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION worker_launch(regnamespace, text, text)
IS 'start a listener on a UDP port or service that stores points in tables of a schema';

CREATE FUNCTION worker_launch(namespace regnamespace, service integer, "precision" text DEFAULT 'ns')
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION worker_launch(regnamespace, integer, text)
IS 'start a listener on a UDP port that stores points in tables of a schema';

CREATE FUNCTION worker_launch(service text)
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_here'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION worker_launch(text)
IS 'start a listener on a UDP port or service that stores points in tables of this function''s schema';

CREATE FUNCTION worker_launch(service integer)
RETURNS integer
AS 'MODULE_PATHNAME', 'influx_worker_launch_here_port'
LANGUAGE C VOLATILE;
COMMENT ON FUNCTION worker_launch(integer)
IS 'start a listener on a UDP port that stores points in tables of this function''s schema';

CREATE FUNCTION influx_workers()
RETURNS TABLE (
  pid integer, database name, schema name, port integer, role name, "precision" text, state text,
  started timestamptz, datagrams bigint, bytes bigint, lines bigint, stored bigint, rejected bigint,
  rejected_by jsonb, waiting bigint, kernel_drops bigint, truncated bigint, filtered bigint,
  lost_datagrams bigint, batches bigint, retries bigint, restarts integer, last_error text,
  last_error_time timestamptz)
AS 'MODULE_PATHNAME', 'influx_workers'
LANGUAGE C VOLATILE ROWS 10;
COMMENT ON FUNCTION influx_workers()
IS 'the listeners of this server, and what they have counted';

CREATE PROCEDURE send_packet(packet text, service text, hostname text DEFAULT 'localhost')
AS 'MODULE_PATHNAME', 'influx_send_packet'
LANGUAGE C;
COMMENT ON PROCEDURE send_packet(text, text, text)
IS 'send a text as one UDP datagram';

CREATE PROCEDURE send_packet(packet text, service integer, hostname text DEFAULT 'localhost')
AS 'MODULE_PATHNAME', 'influx_send_packet_port'
LANGUAGE C;
COMMENT ON PROCEDURE send_packet(text, integer, text)
IS 'send a text as one UDP datagram';

CREATE FUNCTION parse_influx(lines text, "precision" text DEFAULT 'ns')
RETURNS TABLE (_metric text, _time timestamptz, _tags jsonb, _fields jsonb)
AS 'MODULE_PATHNAME', 'influx_parse'
LANGUAGE C STABLE STRICT PARALLEL SAFE ROWS 100;
COMMENT ON FUNCTION parse_influx(text, text)
IS 'the points of a text in line protocol';

CREATE FUNCTION insert_lines(namespace regnamespace, lines text, "precision" text DEFAULT 'ns')
RETURNS bigint
AS 'MODULE_PATHNAME', 'influx_insert_lines'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION insert_lines(regnamespace, text, text)
IS 'store a text in line protocol in tables of a schema, all of it or nothing';

CREATE FUNCTION _create(metric name, tags name[], fields name[])
RETURNS regclass
AS 'MODULE_PATHNAME', 'influx_create'
LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION _create(name, name[], name[])
IS 'make the table of a measurement; a function of this name and type in a target schema replaces it there';

CREATE TABLE influx_rejects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  time timestamptz NOT NULL,
  schema name,
  port integer NOT NULL,
  role name,
  "precision" text NOT NULL,
  sender inet,
  sender_port integer,
  measurement text,
  line bytea NOT NULL,
  "position" integer,
  sqlstate text NOT NULL,
  reason text NOT NULL
);
COMMENT ON TABLE influx_rejects IS 'lines that listeners could not store, the latest influx.max_rejects of them';
COMMENT ON COLUMN influx_rejects.time IS 'when the line was received';
COMMENT ON COLUMN influx_rejects.schema IS 'schema of the listener';
COMMENT ON COLUMN influx_rejects.role IS 'role of the listener, whose members see the row';
COMMENT ON COLUMN influx_rejects.position IS 'byte of a malformed line at which it went wrong, from 1';
SELECT pg_catalog.pg_extension_config_dump('influx_rejects', '');
SELECT pg_catalog.pg_extension_config_dump('influx_rejects_id_seq', '');

-- What was sent to a listener is for those who may act as its role, and so read what it stores.
ALTER TABLE influx_rejects ENABLE ROW LEVEL SECURITY;
CREATE POLICY members_of_listener ON influx_rejects FOR SELECT
USING (EXISTS (SELECT FROM pg_catalog.pg_roles
                WHERE rolname OPERATOR(pg_catalog.=) role AND pg_catalog.pg_has_role(oid, 'USAGE')));
GRANT SELECT ON influx_rejects TO PUBLIC;

CREATE FUNCTION influx_replay(since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity',
                              measurement text DEFAULT NULL)
RETURNS TABLE (stored bigint, rejected bigint)
AS 'MODULE_PATHNAME', 'influx_replay'
LANGUAGE C VOLATILE ROWS 1;
COMMENT ON FUNCTION influx_replay(timestamptz, timestamptz, text)
IS 'store lines of influx_rejects that were received from since until before until, and remove them there';

-- Opening ports and sending into the network is for those whom an administrator allows it.
REVOKE EXECUTE ON FUNCTION worker_launch(regnamespace, text, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION worker_launch(text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION worker_launch(integer) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE send_packet(text, text, text) FROM PUBLIC;
REVOKE EXECUTE ON PROCEDURE send_packet(text, integer, text) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION influx_replay(timestamptz, timestamptz, text) FROM PUBLIC;

-- It shows listeners of all databases.
REVOKE EXECUTE ON FUNCTION influx_workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION influx_workers() TO pg_monitor;
