# The owner of a database, who is no superuser, plants operators, functions and casts in the schema of the extension,
# and on every argument that SQL of the extension may have, before a superuser makes the extension, updates it, and uses
# what is in it. Nothing planted is called.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('planted', "influx.rejects = table\ninflux.batch_timeout = 20\n");
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE collector LOGIN');

# What has to be planted: every function that can be called with one to three arguments, and every operator, by the names
# that there are in pg_catalog. Each takes arguments for which the server has none of that name, so that a search that
# does not stop at pg_catalog finds it; and each notes who called it.
my $plant = <<'SQL';
SET client_min_messages = error;
CREATE TABLE public.called (what text, run_as text, is_superuser boolean);
GRANT ALL ON public.called TO PUBLIC;
CREATE FUNCTION public.planted(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.called VALUES (what, current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user));
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    ALTER ROLE mallory SUPERUSER;
  END IF;
  RETURN true;
END $$;
-- A type that any text can become, and that becomes any text, without being asked for.
CREATE TYPE public.bait AS (t text);
CREATE FUNCTION public.to_bait(name) RETURNS bait LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.planted('cast of name'); RETURN row($1::text)::public.bait; END $$;
CREATE CAST (name AS bait) WITH FUNCTION public.to_bait(name) AS IMPLICIT;
CREATE FUNCTION public.text_to_bait(text) RETURNS bait LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.planted('cast of text'); RETURN row($1)::public.bait; END $$;
CREATE CAST (text AS bait) WITH FUNCTION public.text_to_bait(text) AS IMPLICIT;
CREATE FUNCTION public.from_bait(bait) RETURNS text LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.planted('cast of bait'); RETURN $1.t; END $$;
CREATE CAST (bait AS text) WITH FUNCTION public.from_bait(bait) AS IMPLICIT;
-- Types of the names that the scripts use.
CREATE DOMAIN public.name AS pg_catalog.name CHECK (public.planted('domain name'));
CREATE DOMAIN public.text AS pg_catalog.text CHECK (public.planted('domain text'));
CREATE DOMAIN public.timestamptz AS pg_catalog.timestamptz CHECK (public.planted('domain timestamptz'));
CREATE DOMAIN public.regnamespace AS pg_catalog.regnamespace CHECK (public.planted('domain regnamespace'));
CREATE DOMAIN public.jsonb AS pg_catalog.jsonb CHECK (public.planted('domain jsonb'));
CREATE DOMAIN public.inet AS pg_catalog.inet CHECK (public.planted('domain inet'));
CREATE DOMAIN public.int4 AS pg_catalog.int4 CHECK (public.planted('domain int4'));
DO $$
DECLARE
  types CONSTANT text[] := '{name,text,integer,bigint,oid,boolean,timestamptz,interval,jsonb,bytea,inet,regnamespace,name[],text[],bigint[],public.bait,anyelement,anyarray,anynonarray,anycompatible}';
  polymorphic CONSTANT text[] := '{anyelement,anyarray,anynonarray,anycompatible}';
  one text; other text; operator text; routine text; n integer := 0;
BEGIN
  FOREACH one IN ARRAY types LOOP
    FOREACH other IN ARRAY types LOOP
      -- An operator, or a function, may not mix these.
      CONTINUE WHEN one = 'anynonarray' AND other = 'anyarray' OR one = 'anyarray' AND other = 'anynonarray';
      n := n + 1;
      EXECUTE format('CREATE FUNCTION public.operator_%s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', n, one, other,
        format('BEGIN RETURN public.planted(%L); END', 'operator of ' || one || ' and ' || other));
      FOREACH operator IN ARRAY '{=,<>,<,<=,>,>=,~,!~,~~,!~~,||,-,+,@>}'::text[] LOOP
        EXECUTE format('CREATE OPERATOR public.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = public.operator_%s)', operator, one, other, n);
      END LOOP;
      FOREACH routine IN ARRAY '{pg_has_role,pg_extension_config_dump}'::text[] LOOP
        EXECUTE format('CREATE FUNCTION public.%I(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %L', routine, one, other,
          format('BEGIN RETURN public.planted(%L); END', routine));
      END LOOP;
    END LOOP;
    FOREACH routine IN ARRAY '{array_agg,unnest,now,jsonb_concat,namein,textin,min,max,count}'::text[] LOOP
      EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS boolean LANGUAGE plpgsql AS %L', routine, one,
        format('BEGIN RETURN public.planted(%L); END', routine));
    END LOOP;
  END LOOP;
END $$;
CREATE FUNCTION public.now() RETURNS timestamptz LANGUAGE plpgsql AS
  $$ BEGIN PERFORM public.planted('now'); RETURN pg_catalog.now(); END $$;
SQL

# By the names of the extension's own, with arguments that a call need not have: the server cannot tell which is meant.
my $plant_names = <<'SQL';
CREATE FUNCTION public.pg_stat_get_influx(VARIADIC text[] DEFAULT '{}') RETURNS SETOF boolean LANGUAGE plpgsql AS
  $$ BEGIN RETURN NEXT public.planted('pg_stat_get_influx'); END $$;
CREATE FUNCTION public.pg_stat_get_influx_tables(integer DEFAULT 1) RETURNS SETOF boolean LANGUAGE plpgsql AS
  $$ BEGIN RETURN NEXT public.planted('pg_stat_get_influx_tables'); END $$;
SQL

sub sql { my ($query, $database) = @_; return $node->safe_psql($database, $query); }

sub nothing_called
{
	my ($database, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql('SELECT DISTINCT what, run_as FROM public.called', $database)
			. sql(q{SELECT rolname FROM pg_roles WHERE rolsuper AND rolname = 'mallory'}, $database), '', "$database: nothing planted was called by $name");
}

sub create_planted_database
{
	my ($database) = @_;
	sql("CREATE DATABASE $database OWNER mallory", 'postgres');
	sql('ALTER SCHEMA public OWNER TO mallory', $database);
	my ($status, undef, $errors) = $node->psql($database, $plant,
		connstr => $node->connstr($database) . ' user=mallory', on_error_die => 0, extra_params => [ '-v', 'ON_ERROR_STOP=1' ]);
	is($status, 0, "$database: all is planted by a role that is no superuser") or diag($errors);
	return;
}

# What is planted works: an attacker would get what this test looks for.
create_planted_database('template_planted');
sql(q{SELECT 'a'::name !~ 'b'::name, 'a'::name !~ '^pg_'}, 'template_planted');
is(sql('SELECT what, is_superuser FROM public.called', 'template_planted'), "operator of name and name|t\noperator of name and name|t",
	'an operator that is not qualified is the planted one');
is(sql(q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}, 'postgres'), 't', 'and makes a superuser');
sql('ALTER ROLE mallory NOSUPERUSER', 'postgres');
sql('TRUNCATE public.called', 'template_planted');

# A superuser uses all that there is. Names of functions of the extension are qualified, since a search finds what is
# planted beside them; so are the operators.
sub use_everything
{
	my ($database) = @_;
	my $port = free_udp_port();
	my $other = free_udp_port();
	sql(q{CREATE SCHEMA m; CREATE SCHEMA keyed;
		CREATE TABLE m.t (time pg_catalog.timestamptz, v bigint CHECK (v OPERATOR(pg_catalog.<) 100));
		CREATE TABLE keyed.k (time pg_catalog.timestamptz, host pg_catalog.text, v double precision, PRIMARY KEY (time, host))}, $database);
	sql(qq{SELECT public.listener_create('one', 'm', $port, role => 'postgres', workers => 2);
		SELECT public.listener_create('two', 'm', '$other', batch_size => 10);
		SELECT public.listener_alter('one', workers => 1, batch_timeout => '20ms');
		SELECT public.listener_alter('two', '$other', reset => '{batch_size}');
		SELECT public.listener_stop('two');
		SELECT public.listener_drop('two');
		SELECT * FROM public.influx_listeners}, $database);
	nothing_called($database, 'the functions of listeners');
	like(error_of($node, q{INSERT INTO public.influx_listeners (name, schema, role, service) VALUES ('x', 'pg_toast', 'postgres', '1')}, database => $database)->{message},
		qr/violates check constraint "influx_listeners_schema_check"/, "$database: the constraint means what it says");
	nothing_called($database, 'the constraints of influx_listeners');

	foreach my $layout ('columns', 'json')
	{
		sql(qq{SET influx.layout = $layout;
			SELECT public.insert_lines('m', 'made_$layout,host=a v=1,n=2i,s="x",b=true 1700000000000000000');
			SELECT public.insert_lines('m', 'made_$layout,host=a,rack=b v=1,w=3u 1700000000000000000')}, $database);
	}
	sql(qq{SELECT public.insert_lines('keyed', E'k,host=a v=1 1700000000000000000\nk,host=a v=2 1700000000000000000');
		SET influx.on_conflict = nothing;
		SELECT public.insert_lines('keyed', 'k,host=a v=3 1700000000000000000');
		SET influx.row_source = arrays;
		SELECT public.insert_lines('keyed', 'k,host=b v=3 1700000000000000000');
		SELECT * FROM public.parse_influx('m,a=b c=1 1');
		SELECT public._create('created', '{tag}', '{field}')}, $database);
	nothing_called($database, 'the functions that store lines');

	launch_qualified($database, $port);
	my $socket = udp($port);
	send_text($socket, $_) foreach 't v=x', 't v=100i', 't v=101i', 't v=1i';
	wait_for_value($node, 'SELECT pg_catalog.count(*) FROM m.t', 1, "$database: a listener stores", $database);
	wait_for_value($node, 'SELECT pg_catalog.count(*) FROM public.influx_rejects', 3, "$database: and keeps what it refuses", $database);
	sql('ALTER TABLE m.t DROP CONSTRAINT t_v_check', $database);
	is(sql(q{SELECT * FROM public.influx_replay(measurement => 't')}, $database), '2|1', "$database: lines are replayed");
	sql(q{SELECT * FROM public.pg_stat_influx; SELECT * FROM public.pg_stat_influx_tables; SELECT public.pg_stat_influx_reset()}, $database);
	# Under row security, as another role and with a policy that the table has.
	sql(q{SET ROLE collector; SELECT * FROM public.influx_listeners; SELECT * FROM public.influx_rejects}, $database);
	nothing_called($database, 'a listener, a replay, views and policies');
	sql(q{SELECT public.listener_drop('one')}, $database);
	return;
}

sub launch_qualified
{
	my ($database, $port) = @_;
	return sql(qq{SELECT public.worker_launch('m'::pg_catalog.regnamespace, $port, 'ns'::pg_catalog.text)}, $database);
}

foreach my $way ([ 'fresh', undef ], [ 'from_1_0', '1.0' ], [ 'from_1_1', '1.1' ])
{
	my ($database, $version) = @$way;
	sql("CREATE DATABASE $database TEMPLATE template_planted OWNER mallory", 'postgres');
	sql('CREATE EXTENSION influx' . (defined $version ? " VERSION '$version'" : ''), $database);
	nothing_called($database, 'CREATE EXTENSION');
	if (defined $version)
	{
		sql(q{ALTER EXTENSION influx UPDATE TO '1.1'}, $database) if $version eq '1.0';
		sql('ALTER EXTENSION influx UPDATE', $database);
		nothing_called($database, 'the update');
	}
	use_everything($database);
}

# Names of the extension that are taken make it fail, and fool nobody.
sql('CREATE DATABASE named TEMPLATE template_planted OWNER mallory', 'postgres');
sql($plant_names, 'named');
is(error_of($node, 'CREATE EXTENSION influx', database => 'named')->{sqlstate}, '42725', 'named: a name that is ambiguous is an error');
nothing_called('named', 'CREATE EXTENSION');

# What 1.1 made of its script where something was planted: a constraint with the operator of somebody else. The update
# makes it anew, without a call of what is in it.
sql('CREATE DATABASE planted_in_1_1 TEMPLATE template_planted OWNER mallory', 'postgres');
sql(q{CREATE EXTENSION influx VERSION '1.1'}, 'planted_in_1_1');
sql(q{INSERT INTO public.influx_listeners (name, schema, role, service) VALUES ('first', 'm', 'postgres', '54321');
	ALTER TABLE public.influx_listeners DROP CONSTRAINT influx_listeners_schema_check;
	ALTER TABLE public.influx_listeners ADD CONSTRAINT influx_listeners_schema_check
		CHECK (schema <> '' AND schema !~ '^pg_' AND schema <> 'information_schema') NOT VALID}, 'planted_in_1_1');
my $planted_constraint = q{SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend
	WHERE classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
	  AND refobjid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT oid FROM pg_catalog.pg_operator
	      WHERE oprnamespace OPERATOR(pg_catalog.=) 'public'::pg_catalog.regnamespace))
	  AND objid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT oid FROM pg_catalog.pg_constraint
	      WHERE conrelid OPERATOR(pg_catalog.=) 'public.influx_listeners'::pg_catalog.regclass))};
is(sql($planted_constraint, 'planted_in_1_1'), 1, 'planted_in_1_1: the constraint has a planted operator');
sql('ALTER EXTENSION influx UPDATE', 'planted_in_1_1');
nothing_called('planted_in_1_1', 'the update');
is(sql($planted_constraint, 'planted_in_1_1'), 0, 'planted_in_1_1: the constraint has none any more');
sql(q{CREATE SCHEMA m; SELECT public.listener_alter('first', batch_size => 10)}, 'planted_in_1_1');
nothing_called('planted_in_1_1', 'listener_alter()');

$node->stop;
done_testing();
