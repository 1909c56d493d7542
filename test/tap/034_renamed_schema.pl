# Schemas and tables that get other names, or change names with others, under listeners that have plans for
# them; strangers' schemas of the old name; and types that change. Lines go on into the relations that were
# meant, and nothing of a stranger's runs as a listener's role.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('renamed_schema', "influx.rejects = table\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }
sql('CREATE ROLE writer LOGIN; CREATE ROLE stranger LOGIN; GRANT CREATE ON DATABASE postgres TO writer, stranger;'
	  . 'GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO writer');

# What the stranger makes under a name: tables, a function _create, and triggers that write down who runs them.
# The owner of what is renamed lets him act at once, in the same transaction.
sql('CREATE SCHEMA spy AUTHORIZATION stranger; CREATE TABLE spy.record (who name, what text); GRANT USAGE ON SCHEMA spy TO PUBLIC;'
	  . 'GRANT INSERT ON spy.record TO PUBLIC');
sub trap
{
	my ($schema, @tables) = @_;
	my $sql = "CREATE SCHEMA $schema AUTHORIZATION stranger; GRANT ALL ON SCHEMA $schema TO PUBLIC;"
	  . "CREATE FUNCTION $schema.spy() RETURNS trigger LANGUAGE plpgsql AS \$\$"
	  . "BEGIN INSERT INTO spy.record VALUES (current_user, TG_TABLE_NAME); RETURN new; END \$\$;"
	  . "CREATE FUNCTION $schema._create(name, name[], name[]) RETURNS regclass LANGUAGE plpgsql AS \$\$"
	  . "BEGIN INSERT INTO spy.record VALUES (current_user, '_create'); RETURN NULL; END \$\$;";
	foreach my $table (@tables)
	{
		$sql .= "CREATE TABLE $schema.$table; GRANT ALL ON $schema." . ($table =~ s/ .*//r) . ' TO PUBLIC;'
		  . "CREATE TRIGGER spy BEFORE INSERT ON $schema." . ($table =~ s/ .*//r) . " FOR EACH ROW EXECUTE FUNCTION $schema.spy();";
	}
	return $sql;
}
sub nothing_strange
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(sql('SELECT count(*) FROM spy.record'), '0', $name);
}

sql('CREATE SCHEMA metrics AUTHORIZATION writer; SET ROLE writer; CREATE TABLE metrics.idle (time timestamptz, n bigint)');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'metrics', role => 'writer');
my $socket = udp($port);
send_text($socket, "idle n=0i");
wait_for_rows($node, 'metrics.idle', 1, 'a table is known, and has a plan');

# Renamed while lines come in.
my $sender = start_sender(port => $port, line => sub { "cpu,host=a n=$_[0]i" }, rate => 2000, lines => 5);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM metrics.cpu'), 'lines come in');
sub goes_on
{
	my ($table, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = sql("SELECT max(n) FROM $table");
	return ok($node->poll_query_until('postgres', "SELECT max(n) > $before + 50 FROM $table"), $name);
}
sql('ALTER SCHEMA metrics RENAME TO plain');
goes_on('plain.cpu', 'the schema is renamed');
sql('ALTER SCHEMA plain RENAME TO moved;' . trap('plain', 'cpu (time timestamptz, host text, n bigint)', 'idle (time timestamptz, n bigint)'));
goes_on('moved.cpu', 'a stranger takes its name');
foreach my $round (1 .. 2)
{
	sql('BEGIN; ALTER SCHEMA moved RENAME TO between; ALTER SCHEMA plain RENAME TO moved; ALTER SCHEMA between RENAME TO plain; COMMIT');
	goes_on('plain.cpu', "round $round: the two change names");
	sql('BEGIN; ALTER SCHEMA plain RENAME TO between; ALTER SCHEMA moved RENAME TO plain; ALTER SCHEMA between RENAME TO moved; COMMIT');
	goes_on('moved.cpu', "round $round: and change them back");
}
my $sent = stop_sender($sender);
wait_for_value($node, 'SELECT count(*), count(DISTINCT n), max(n) FROM moved.cpu', "$sent|$sent|$sent", "all $sent lines are stored, once");
send_text($socket, "idle n=1i\nidle,more=x n=2i\nfresh,host=a v=1");
wait_for_value($node, 'SELECT count(*), count(more) FROM moved.idle', '3|1', 'a table that was not used meanwhile is found, and extended');
wait_for_rows($node, 'moved.fresh', 1, 'and another one made');
is(sql('SELECT (SELECT count(*) FROM plain.cpu), (SELECT count(*) FROM plain.idle), (SELECT count(*) FROM pg_class'
		  . " WHERE relnamespace = 'plain'::regnamespace AND relname = 'fresh')"), '0|0|0', 'nothing of that in the schema of the old name');
nothing_strange('nothing of the stranger has run');
is(sql("SELECT rejected, schema FROM pg_stat_influx WHERE pid = $pid"), '0|moved', 'no line was refused; the view shows the name of now');

# Tables that change names.
sql('SET ROLE writer; CREATE TABLE moved.one (time timestamptz, n bigint, which text DEFAULT \'one\');'
	  . 'CREATE TABLE moved.other (time timestamptz, n bigint, which text DEFAULT \'other\')');
$sender = start_sender(port => $port, line => sub { "one n=$_[0]i" }, rate => 1000, lines => 5);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 20 FROM moved.one'), 'lines come in');
foreach my $round (1 .. 2)
{
	sql('BEGIN; ALTER TABLE moved.one RENAME TO between; ALTER TABLE moved.other RENAME TO one; ALTER TABLE moved.between RENAME TO other; COMMIT');
	my $before = sql('SELECT coalesce(max(n), 0) FROM moved.one');
	ok($node->poll_query_until('postgres', "SELECT coalesce(max(n), 0) > $before FROM moved.one"), "round $round: tables change names");
}
$sent = stop_sender($sender);
my $both = '(SELECT * FROM moved.one UNION ALL SELECT * FROM moved.other) AS s';
wait_for_value($node, "SELECT count(*), count(DISTINCT n) FROM $both", "$sent|$sent", "all $sent lines are stored, once");
is(sql('SELECT count(DISTINCT which) FROM moved.one'), '1', 'each by the plan of its table');
is(sql('SELECT count(DISTINCT which) FROM moved.other'), '1', 'as the other one');

# A table that goes to another schema, and a stranger's in its place.
sql('CREATE SCHEMA elsewhere AUTHORIZATION writer; ALTER TABLE moved.idle SET SCHEMA elsewhere');
send_text($socket, 'idle n=5i');
wait_for_value($node, 'SELECT n FROM moved.idle', '5', 'a table that has left the schema is made again there');

# A user's _create.
sql('SET ROLE writer; CREATE SCHEMA own; CREATE FUNCTION own._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$'
	  . "BEGIN EXECUTE format('CREATE TABLE %I (time timestamptz, n bigint)', metric); RETURN metric::text::regclass; END \$\$");
my $own_port = free_udp_port();
launch($node, $own_port, schema => 'own', role => 'writer');
my $own = udp($own_port);
send_text($own, 'first n=1i');
wait_for_rows($node, 'own.first', 1, 'a table is made by the _create of the schema');
sql('ALTER SCHEMA own RENAME TO own_moved;' . trap('own', 'first (time timestamptz, n bigint)'));
send_text($own, "first n=2i\nsecond n=1i");
wait_for_rows($node, 'own_moved.second', 1, 'and another one after the schema was renamed');
wait_for_rows($node, 'own_moved.first', 2, 'with the rows in their places');
nothing_strange('nothing of the stranger has run');

# The extension's own schema.
$node->safe_psql('postgres', 'CREATE DATABASE with_home');
sub at_home { return $node->safe_psql('with_home', $_[0]); }
at_home('CREATE SCHEMA home; CREATE EXTENSION influx SCHEMA home; CREATE SCHEMA metrics AUTHORIZATION writer;'
	  . 'CREATE SCHEMA spy AUTHORIZATION stranger;'
	  . 'CREATE TABLE spy.record (who name, what text); GRANT USAGE ON SCHEMA spy TO PUBLIC; GRANT INSERT ON spy.record TO PUBLIC');
my $home_port = free_udp_port();
my $home_pid = at_home("SELECT home.worker_launch('metrics', $home_port)");
my $home = udp($home_port);
send_text($home, 'malformed 1');
ok($node->poll_query_until('with_home', 'SELECT count(*) = 1 FROM home.influx_rejects'), 'a refused line is kept');
my $definition = at_home("SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)"
	  . " FROM pg_attribute WHERE attrelid = 'home.influx_rejects'::regclass AND attnum > 0 AND NOT attisdropped");
at_home('ALTER SCHEMA home RENAME TO home_moved;' . trap('home', "influx_rejects ($definition)"));
send_text($home, 'malformed 2');
ok($node->poll_query_until('with_home', 'SELECT count(*) = 2 FROM home_moved.influx_rejects'), 'and another one after that schema was renamed');
is(at_home('SELECT count(*) FROM home.influx_rejects'), '0', 'nothing is in the stranger\'s table of the name');
is(at_home('SELECT count(*) FROM spy.record'), '0', 'nothing of the stranger has run');
is(at_home("SELECT * FROM home_moved.influx_replay('-infinity', 'infinity')"), '0|2', 'they are found for a replay');

# Domains: what leaving a column out means may change.
sql('SET ROLE writer; CREATE DOMAIN moved.level AS bigint; CREATE DOMAIN moved.deep AS moved.level;'
	  . 'CREATE TABLE moved.gauge (time timestamptz, n bigint, l moved.level, d moved.deep)');
my $n = 0;
sub gauge
{
	my ($change, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	sql($change) if $change;
	++$n;
	# The second line makes the columns part of the statement of both, unless they have defaults.
	send_text($socket, "gauge n=${n}i\ngauge n=-${n}i,l=1i,d=1i");
	return wait_for_value($node, "SELECT l, d FROM moved.gauge WHERE n = $n", $expected, $name);
}
gauge('', '|', 'columns of domains are NULL where they are left out');
gauge('ALTER DOMAIN moved.level SET DEFAULT 7', '7|', 'a default of a domain is noticed');
gauge('ALTER DOMAIN moved.deep SET DEFAULT 8', '7|8', 'and one of a domain over it');
gauge('ALTER DOMAIN moved.level SET DEFAULT 9', '9|8', 'another one');
gauge('ALTER DOMAIN moved.level DROP DEFAULT; ALTER DOMAIN moved.deep DROP DEFAULT', '|', 'and that there is none any more');
sql('DELETE FROM moved.gauge; ALTER DOMAIN moved.level SET NOT NULL');
send_text($socket, "gauge n=100i\ngauge n=101i,l=1i,d=1i");
wait_for_value($node, 'SELECT string_agg(n::text, \',\') FROM moved.gauge', '101', 'a domain that allows no NULL refuses the line');
is(sql('SELECT reason FROM influx_rejects'), 'domain moved.level does not allow null values', 'with the reason');
sql('ALTER DOMAIN moved.level DROP NOT NULL; ALTER DOMAIN moved.level ADD CONSTRAINT small CHECK (value < 10) NOT VALID');
send_text($socket, "gauge n=102i,l=10i,d=1i\ngauge n=103i,l=9i,d=1i\ngauge n=104i");
wait_for_value($node, 'SELECT string_agg(n::text, \',\' ORDER BY n) FROM moved.gauge', '101,103,104', 'a constraint of a domain is noticed');
sql('ALTER DOMAIN moved.level VALIDATE CONSTRAINT small; ALTER DOMAIN moved.level DROP CONSTRAINT small');
send_text($socket, 'gauge n=105i,l=10i,d=1i');
wait_for_value($node, 'SELECT string_agg(n::text, \',\' ORDER BY n) FROM moved.gauge', '101,103,104,105', 'and that it is gone');

# A type whose schema is renamed, for a table whose rows go as arrays with their types named in the statement.
sql('CREATE SCHEMA types AUTHORIZATION writer; SET ROLE writer; CREATE TYPE types.pair AS (a int, b int);'
	  . 'CREATE TABLE moved.pairs (time timestamptz, n bigint, p types.pair)');
sql('ALTER ROLE writer SET influx.row_source = arrays');
my $arrays_port = free_udp_port();
launch($node, $arrays_port, schema => 'moved', role => 'writer');
my $arrays = udp($arrays_port);
send_text($arrays, 'pairs n=1i,p="(1,2)"');
wait_for_rows($node, 'moved.pairs', 1, 'a row of a composite type is stored by way of arrays');
sql('ALTER SCHEMA types RENAME TO types_moved');
send_text($arrays, 'pairs n=2i,p="(3,4)"');
wait_for_rows($node, 'moved.pairs', 2, 'and another one after the schema of the type was renamed');
sql('ALTER TYPE types_moved.pair RENAME TO two');
send_text($arrays, 'pairs n=3i,p="(5,6)"');
wait_for_rows($node, 'moved.pairs', 3, 'and after the type was renamed');
nothing_strange('nothing of the stranger has run in all of this');
ok(is_running($pid), 'the listener is the same one');

done_testing();
