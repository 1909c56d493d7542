-- Whose function _create() is called: it runs as the caller, or as the listener's role, and whoever may
-- create in the schema can have placed it there.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS influx SCHEMA public;
RESET client_min_messages;
LOAD 'influx';
\set SHOW_CONTEXT never

CREATE ROLE regress_influx_schema_owner;
CREATE ROLE regress_influx_group;
CREATE ROLE regress_influx_member IN ROLE regress_influx_schema_owner;
CREATE ROLE regress_influx_collector IN ROLE regress_influx_group;
CREATE ROLE regress_influx_mallory;
CREATE SCHEMA influx_trust AUTHORIZATION regress_influx_schema_owner;
GRANT USAGE, CREATE ON SCHEMA influx_trust TO PUBLIC;

-- Makes the function, as a role, with the name of the role that runs it in a column
CREATE FUNCTION influx_trust.place(owner regrole) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE 'DROP FUNCTION IF EXISTS influx_trust._create(name, name[], name[])';
  EXECUTE $f$
    CREATE FUNCTION influx_trust._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $body$
    BEGIN
      EXECUTE format('CREATE TABLE influx_trust.%I (time timestamptz, made_by name DEFAULT %L, v float8)', metric, current_user);
      EXECUTE format('GRANT INSERT ON influx_trust.%I TO PUBLIC', metric);
      RETURN NULL;
    END $body$ $f$;
  EXECUTE format('ALTER FUNCTION influx_trust._create(name, name[], name[]) OWNER TO %s', owner);
END $$;
SET client_min_messages = warning;

-- The superuser calls none but what a superuser or the schema's owner has placed
SELECT influx_trust.place('regress_influx_mallory');
SELECT insert_lines('influx_trust', 'a v=1 1');
\echo :LAST_ERROR_SQLSTATE
SELECT to_regclass('influx_trust.a');
SELECT influx_trust.place('regress_influx_collector');
SELECT insert_lines('influx_trust', 'a v=1 1');
SELECT influx_trust.place('regress_influx_schema_owner');
SELECT insert_lines('influx_trust', 'a v=1 1');
-- What could act as the schema's owner anyway
SELECT influx_trust.place('regress_influx_member');
SELECT insert_lines('influx_trust', 'b v=1 1');
SELECT influx_trust.place(current_user::regrole);
SELECT insert_lines('influx_trust', 'c v=1 1');
SELECT made_by = session_user AS by_me FROM (TABLE influx_trust.a UNION ALL TABLE influx_trust.b UNION ALL TABLE influx_trust.c) AS t;

-- A role calls its own too, and that of nobody else
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'd v=1 1');
RESET ROLE;
SELECT influx_trust.place('regress_influx_collector');
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'e v=1 1');
RESET ROLE;
SELECT influx_trust.place('regress_influx_group');
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'f v=1 1');
RESET ROLE;
SELECT influx_trust.place('regress_influx_mallory');
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'f v=1 1');
-- What is there is stored; the owner of the function is free to use it
SELECT insert_lines('influx_trust', 'e v=2 2');
RESET ROLE;
SET ROLE regress_influx_mallory;
SELECT insert_lines('influx_trust', 'f v=1 1');
RESET ROLE;
SELECT made_by FROM (TABLE influx_trust.d UNION ALL TABLE influx_trust.e UNION ALL TABLE influx_trust.f) AS t ORDER BY 1;
-- Where no table is to be made, nothing is said of it
SET influx.auto_create = off;
SELECT insert_lines('influx_trust', 'g v=1 1');
RESET influx.auto_create;
-- Without it, tables are made as ever; without CREATE they are not
DROP FUNCTION influx_trust._create(name, name[], name[]);
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'g v=1 1');
RESET ROLE;
REVOKE CREATE ON SCHEMA influx_trust FROM PUBLIC;
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'h v=1 1');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
-- A function that runs as its owner makes them for roles without CREATE
SELECT influx_trust.place(current_user::regrole);
ALTER FUNCTION influx_trust._create(name, name[], name[]) SECURITY DEFINER;
SET ROLE regress_influx_collector;
SELECT insert_lines('influx_trust', 'h v=1 1');
RESET ROLE;
SELECT made_by = session_user AS by_owner FROM influx_trust.h;

-- Schema public belongs to the owner of the database, by a role of its own
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO regress_influx_group', current_database()); END $$;
CREATE SCHEMA influx_trust_db AUTHORIZATION pg_database_owner;
GRANT USAGE, CREATE ON SCHEMA influx_trust_db TO PUBLIC;
CREATE FUNCTION influx_trust_db._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE influx_trust_db.%I (time timestamptz, v float8)', metric);
  RETURN NULL;
END $$;
ALTER FUNCTION influx_trust_db._create(name, name[], name[]) OWNER TO regress_influx_group;
SELECT insert_lines('influx_trust_db', 'a v=1 1');
ALTER FUNCTION influx_trust_db._create(name, name[], name[]) OWNER TO regress_influx_mallory;
SELECT insert_lines('influx_trust_db', 'b v=1 1');
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), session_user); END $$;

DROP SCHEMA influx_trust, influx_trust_db CASCADE;
DROP ROLE regress_influx_schema_owner, regress_influx_group, regress_influx_member, regress_influx_collector, regress_influx_mallory;
