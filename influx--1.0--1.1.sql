-- complain if the script is sourced in psql, rather than by ALTER EXTENSION or CREATE EXTENSION
\echo Use "ALTER EXTENSION influx UPDATE TO '1.1'" to load this file. \quit

-- Listeners that survive a restart ----------------------------------------------------------------

CREATE TABLE influx_listeners (
  name name PRIMARY KEY CHECK (name <> ''),
  schema name NOT NULL,
  role name NOT NULL,
  transport text NOT NULL DEFAULT 'udp' CHECK (transport = 'udp'),
  address text,
  service text NOT NULL,
  "precision" text NOT NULL DEFAULT 'ns',
  workers integer NOT NULL DEFAULT 1 CHECK (workers BETWEEN 1 AND 64),
  batch_size integer,
  batch_timeout text,
  read_buffer text,
  allowed_sources text,
  enabled boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE influx_listeners IS 'listeners that are started with the server';
COMMENT ON COLUMN influx_listeners.schema IS 'whose tables take the points';
COMMENT ON COLUMN influx_listeners.role IS 'as which the listener works';
COMMENT ON COLUMN influx_listeners.address IS 'instead of influx.listen_addresses';
COMMENT ON COLUMN influx_listeners.service IS 'port, or name of a service';
COMMENT ON COLUMN influx_listeners.workers IS 'processes that share the port';
COMMENT ON COLUMN influx_listeners.batch_size IS 'instead of influx.batch_size';
COMMENT ON COLUMN influx_listeners.batch_timeout IS 'instead of influx.batch_timeout';
COMMENT ON COLUMN influx_listeners.read_buffer IS 'instead of influx.read_buffer';
COMMENT ON COLUMN influx_listeners.allowed_sources IS 'instead of influx.allowed_sources';
SELECT pg_catalog.pg_extension_config_dump('influx_listeners', '');

-- In view -----------------------------------------------------------------------------------------
