-- complain if the script is sourced in psql, rather than by ALTER EXTENSION or CREATE EXTENSION
\echo Use "ALTER EXTENSION influx UPDATE TO '1.2'" to load this file. \quit

-- Every operator, function, type and cast of this file is qualified: the schema of the extension may belong to
-- somebody who is not to be trusted with the rights of who runs it. scripts/check sql refuses others.

