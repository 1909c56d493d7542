# The tables of the extension belong to others than those who write them: a listener as its role, influx_replay() and
# listener_create() as the caller. What their owner, or one with TRIGGER on them, lets run there runs as the owner, in a
# restricted operation: it becomes nobody else, and leaves nothing for the commit. Lines are stored whatever it does.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('own_tables', "influx.rejects = table\ninflux.batch_timeout = 20\n");
my $port = free_udp_port();
sub sql { return $node->safe_psql('postgres', $_[0]); }

# keeper owns the tables of the extension, and visitor may make triggers there; collector is who a listener works as,
# and operator replays. note() tells as whom it was run, and what came of everything it tried.
sql(<<'SQL');
CREATE ROLE keeper; CREATE ROLE visitor; CREATE ROLE collector LOGIN; CREATE ROLE operator;
GRANT collector TO operator;
CREATE SCHEMA m AUTHORIZATION collector;
CREATE TABLE m.t (time timestamptz, v bigint CHECK (v < 100));
ALTER TABLE m.t OWNER TO collector;
CREATE SCHEMA o AUTHORIZATION keeper;
GRANT USAGE, CREATE ON SCHEMA o TO visitor;
GRANT USAGE ON SCHEMA o TO PUBLIC;
ALTER TABLE influx_rejects OWNER TO keeper;
ALTER TABLE influx_listeners OWNER TO keeper;
GRANT TRIGGER ON influx_rejects, influx_listeners TO visitor;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO collector;
GRANT EXECUTE ON FUNCTION influx_replay(timestamptz, timestamptz, text) TO operator;
CREATE TABLE o.seen (at text, run_as name, tried text, came_of text);
GRANT INSERT, SELECT ON o.seen TO PUBLIC;
CREATE FUNCTION o.note(at text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  tried text;
BEGIN
  FOREACH tried IN ARRAY ARRAY['SET ROLE NONE', 'SET SESSION AUTHORIZATION DEFAULT', 'CREATE TEMP TABLE mine ()',
    'DECLARE later CURSOR WITH HOLD FOR SELECT o.note(''later'')', 'LISTEN told'] LOOP
    BEGIN
      EXECUTE tried;
      INSERT INTO o.seen VALUES (at, current_user, tried, 'done');
    EXCEPTION WHEN others THEN
      INSERT INTO o.seen VALUES (at, current_user, tried, sqlstate);
    END;
  END LOOP;
  RETURN 1;
END $$;
CREATE FUNCTION o.pure_note(at text) RETURNS bigint IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN o.note(at); END';
CREATE FUNCTION o.trigger_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM o.note(concat_ws(' ', TG_NAME, TG_OP));
  IF TG_OP = 'DELETE' THEN RETURN old; END IF;
  RETURN new;
END $$;
ALTER FUNCTION o.note(text) OWNER TO keeper;
ALTER FUNCTION o.pure_note(text) OWNER TO keeper;
ALTER FUNCTION o.trigger_note() OWNER TO visitor;
SQL

my $done = 0;

# Waits until all that was sent before is stored.
sub all_done
{
	my ($socket) = @_;
	++$done;
	send_text($socket, "t v=${done}i");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, 'SELECT max(v) FROM m.t', $done, "good line $done is stored");
}

my $pid = launch($node, $port, schema => 'm', role => 'collector');
my $socket = udp($port);

# --- what would run at the commit ------------------------------------------------------------------

sql(<<'SQL');
SET ROLE visitor;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON influx_rejects DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION o.trigger_note();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON influx_listeners DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION o.trigger_note();
SQL
my $offset = log_size($node);
send_text($socket, 't v=x');
all_done($socket);
wait_for_log($node, qr/influx: 1 lines refused, 0 of them kept in table [^\n]*\n[^\n]*DETAIL:  Some could not be kept: cannot fire deferred trigger within security-restricted operation\./,
	$offset, 'a deferred trigger of influx_rejects: the line is not kept, and the log tells why');
is(sql(qq{SELECT stored, rejected, lines = stored + rejected + waiting FROM pg_stat_influx WHERE pid = $pid}),
	'1|1|t', 'all lines are counted');
is(sql('SELECT count(*) FROM influx_rejects'), 0, 'influx_rejects has no row');
my $error = error_of($node, q{SELECT listener_create('one', 'm', 54321, role => 'collector')});
is($error->{message}, 'cannot fire deferred trigger within security-restricted operation',
	'a deferred trigger of influx_listeners: listener_create() of a superuser is refused');
is(sql('SELECT count(*) FROM o.seen'), 0, 'neither was run, as nobody');

# A batch with a line that a constraint refuses is written with all constraints checked at once: nothing is deferred.
send_text($socket, 't v=100i');
all_done($socket);
wait_for_rows($node, 'influx_rejects', 1, 'where constraints are checked at once, the line is kept');
is(sql('SELECT DISTINCT at, run_as FROM o.seen'), 'deferred INSERT|keeper', 'and the trigger was run as the owner');

# --- what runs at once -----------------------------------------------------------------------------

sql(<<'SQL');
DROP TRIGGER deferred ON influx_rejects;
DROP TRIGGER deferred ON influx_listeners;
DELETE FROM influx_rejects;
SET ROLE visitor;
CREATE TRIGGER at_once BEFORE INSERT OR UPDATE OR DELETE ON influx_rejects FOR EACH ROW EXECUTE FUNCTION o.trigger_note();
CREATE TRIGGER at_once BEFORE INSERT OR UPDATE OR DELETE ON influx_listeners FOR EACH ROW EXECUTE FUNCTION o.trigger_note();
SET ROLE keeper;
ALTER TABLE influx_rejects ADD COLUMN by_default bigint DEFAULT o.note('default'),
  ADD COLUMN generated bigint GENERATED ALWAYS AS (o.pure_note('generated of ' || port)) STORED,
  ADD CHECK (o.note('check') > 0);
CREATE RULE also AS ON INSERT TO influx_rejects DO ALSO SELECT o.note('rule');
ALTER TABLE influx_listeners ADD COLUMN by_default bigint DEFAULT o.note('default'), ADD CHECK (o.note('check') > 0);
CREATE RULE also AS ON UPDATE TO influx_listeners DO ALSO SELECT o.note('rule');
RESET ROLE;
TRUNCATE o.seen;
SQL
send_text($socket, 't v=101i');
all_done($socket);
wait_for_rows($node, 'influx_rejects', 1, 'a line is refused, and kept');
sub places { return sql('SELECT DISTINCT at FROM o.seen ORDER BY at'); }
sub others { return sql(q{SELECT DISTINCT run_as, tried, came_of FROM o.seen WHERE run_as <> 'keeper' OR came_of <> '42501'}); }
is(places(), "at_once INSERT\ncheck\ndefault\ngenerated of $port\nrule", 'trigger, check, default, generated column and rule were run');
is(others(), '', 'all as the owner, and all that they tried was refused');

sql('TRUNCATE o.seen');
sql(q{SELECT listener_create('one', 'm', 54321, role => 'collector')});
sql(q{SELECT listener_alter('one', 54322)});
sql(q{SELECT listener_drop('one')});
is(places(), "at_once DELETE\nat_once INSERT\nat_once UPDATE\ncheck\ndefault\nrule", 'likewise where a superuser makes, changes and drops a listener');
is(others(), '', 'all as the owner, and all that they tried was refused');

sql(q{TRUNCATE o.seen; ALTER TABLE m.t DROP CONSTRAINT t_v_check});
is(sql('SET ROLE operator; SELECT stored, rejected FROM influx_replay()'), '1|0', 'a role replays the line');
is(places(), 'at_once DELETE', 'likewise where the row is removed');
is(others(), '', 'all as the owner, and all that they tried was refused');

# The owner of the table works as himself: the restrictions are the same.
sql(<<'SQL');
TRUNCATE o.seen;
ALTER ROLE keeper LOGIN;
ALTER SCHEMA m OWNER TO keeper;
ALTER TABLE m.t OWNER TO keeper;
ALTER TABLE m.t ADD CHECK (v < 100) NOT VALID;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO keeper;
SQL
my $other = free_udp_port();
launch($node, $other, schema => 'm', role => 'keeper');
send_text(udp($other), 't v=102i');
wait_for_rows($node, 'influx_rejects', 1, 'a listener of the owner refuses a line, and keeps it');
is(others(), '', 'what is run is as restricted');

# --- another type, another value -------------------------------------------------------------------

# The owner makes of the tables what the extension has not made: an error, and no crash.
sql('CREATE DATABASE changed');
sub in_changed { return $node->safe_psql('changed', $_[0]); }
in_changed(q{CREATE EXTENSION influx; CREATE SCHEMA m;
	ALTER TABLE influx_rejects OWNER TO keeper; ALTER TABLE influx_listeners OWNER TO keeper;
	INSERT INTO influx_listeners (name, schema, role, service) VALUES ('former', 'm', 'keeper', '54323');
	INSERT INTO influx_rejects (time, schema, port, role, precision, line, reason, sqlstate) VALUES (now(), 'm', 1, 'collector', 'ns', 'm v=1', '', '00000')});
my $replay = 'SELECT * FROM influx_replay()';
my $create = q{SELECT listener_create('another', 'm', 54324)};
my $alter = q{SELECT listener_alter('former', batch_size => 10)};
sub not_crashed
{
	my ($change, $call, $sqlstate) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	in_changed("SET ROLE keeper; $change");
	return is(error_of($node, $call, database => 'changed')->{sqlstate}, $sqlstate, "$change: an error of $call");
}
not_crashed($_, $replay, '42804')
  foreach 'ALTER TABLE influx_rejects ALTER line TYPE bigint USING 1',
  q{ALTER TABLE influx_rejects ALTER line TYPE bytea USING 'm v=1', ALTER "precision" TYPE bigint USING 1},
  q{ALTER TABLE influx_rejects ALTER "precision" TYPE text USING 'ns', ALTER time DROP DEFAULT, ALTER time TYPE timestamp},
  'ALTER TABLE influx_rejects ALTER id TYPE integer, ALTER time TYPE timestamptz';
not_crashed(q{ALTER TABLE influx_listeners ALTER role DROP NOT NULL; UPDATE influx_listeners SET role = NULL}, $create, '22004');
not_crashed('ALTER TABLE influx_listeners ALTER name SET NOT NULL', $alter, '22004');
not_crashed(q{UPDATE influx_listeners SET role = 'keeper'; ALTER TABLE influx_listeners DROP CONSTRAINT influx_listeners_service_check, ALTER service TYPE bigint USING 1}, $create, '42804');
not_crashed('ALTER TABLE influx_listeners ALTER name SET NOT NULL', $alter, '42804');

# --- an update ------------------------------------------------------------------------------------

# What the owner has made of the tables of 1.1 meets a superuser who updates: checks of children that are looked at, a
# column of a type of his own, which becomes another one by a function.
sql('CREATE DATABASE former');
my $planted = <<'SQL';
CREATE SCHEMA o AUTHORIZATION keeper;
GRANT USAGE ON SCHEMA public, o TO keeper;
CREATE EXTENSION influx VERSION '1.1';
INSERT INTO influx_rejects (time, schema, port, role, precision, line, reason, sqlstate)
VALUES (now(), 'm', 1, 'collector', 'ns', 'm v=1', 'of 1.1', '00000');
INSERT INTO influx_listeners (name, schema, role, service) VALUES ('former', 'm', 'keeper', '54323');
ALTER TABLE influx_rejects OWNER TO keeper;
ALTER TABLE influx_listeners OWNER TO keeper;
SET SESSION AUTHORIZATION keeper;
CREATE TABLE o.seen (run_as name, tried text, came_of text);
GRANT ALL ON o.seen TO PUBLIC;
CREATE FUNCTION o.note() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  tried text;
BEGIN
  FOREACH tried IN ARRAY ARRAY['SET ROLE NONE', 'DECLARE later CURSOR WITH HOLD FOR SELECT o.note()', 'ALTER ROLE keeper SUPERUSER'] LOOP
    BEGIN
      EXECUTE tried;
      INSERT INTO o.seen VALUES (current_user, tried, 'done');
    EXCEPTION WHEN others THEN
      INSERT INTO o.seen VALUES (current_user, tried, sqlstate);
    END;
  END LOOP;
  RETURN true;
END $$;
CREATE FUNCTION o.note(anyelement) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN o.note(); END';
CREATE TABLE o.rejects (role_oid oid CHECK (o.note(role_oid))) INHERITS (influx_rejects);
INSERT INTO o.rejects (id, time, schema, port, role, precision, line, reason, sqlstate) SELECT id, time, schema, port, role, precision, line, reason, sqlstate FROM ONLY influx_rejects;
CREATE TYPE o.number AS ENUM ('one');
CREATE FUNCTION o.as_integer(o.number) RETURNS integer IMMUTABLE LANGUAGE plpgsql AS 'BEGIN PERFORM o.note(); RETURN 1; END';
CREATE CAST (o.number AS integer) WITH FUNCTION o.as_integer(o.number) AS IMPLICIT;
ALTER TABLE influx_listeners DROP CONSTRAINT influx_listeners_workers_check, ALTER COLUMN workers DROP DEFAULT,
  ALTER COLUMN workers TYPE o.number USING 'one';
TRUNCATE o.seen;
SQL
$node->safe_psql('former', $planted);
$node->safe_psql('former', 'ALTER EXTENSION influx UPDATE');
is($node->safe_psql('former', 'SELECT DISTINCT * FROM o.seen ORDER BY 2'),
	"keeper|ALTER ROLE keeper SUPERUSER|42501\nkeeper|DECLARE later CURSOR WITH HOLD FOR SELECT o.note()|42501\nkeeper|SET ROLE NONE|42501",
	'an update by a superuser: what the owner has planted is run as the owner, and all that it tried was refused');
is($node->safe_psql('former', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'keeper'}), 'f', 'he is no superuser');
is($node->safe_psql('former', q{SELECT role, role_oid = 'collector'::regrole FROM ONLY influx_rejects}), 'collector|t', 'the rows know whose they are');

ok(is_running($pid), 'the listener goes on');
$node->stop;
done_testing();
