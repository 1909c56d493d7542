# Set up once and forgotten: three listeners of different schemas, roles and ports, one of them with two processes.
# They come back after a restart of the server and after every end of a process; the views add up; a dump takes them
# into another database. What is run, and what it prints, is noted.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('acceptance', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres, copy'
influx.restart_time = 0
influx.batch_timeout = '20ms'
restart_after_crash = on
CONF

# A command as its user sees it.
sub show
{
	my ($sql, $database) = @_;
	$database //= 'postgres';
	my ($printed, $errors) = ('', '');
	IPC::Run::run([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($database), '-c', $sql ], '>', \$printed, '2>', \$errors)
	  or die "$sql: $errors";
	note "$database=# $sql\n$errors$printed";
	return;
}

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

my %port = (barn => free_udp_port(), garden => free_udp_port(), house => free_udp_port());
my @schemas = sort keys %port;
my $listeners = q{SELECT listener, pid, schema, role, addresses, state, restarts FROM pg_stat_influx WHERE database = current_database() ORDER BY 1, 2};

sub all_listen
{
	my ($name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ok = wait_for_value($node, <<'SQL', "barn role_barn 1/1, garden role_garden 2/2, house role_house 1/1", "$name: all four processes listen", $database);
SELECT string_agg(shown, ', ' ORDER BY shown) FROM (
  SELECT format('%s %s %s/%s', listener, role, count(*) FILTER (WHERE state = 'listening'), count(*)) AS shown
    FROM pg_stat_influx WHERE database = current_database() AND schema = listener GROUP BY listener, role) AS s
SQL
	show($listeners, $database) if $ok;
	return $ok;
}

# Sends to each listener from several ports, so that each process of one gets some, and waits for every line.
my $turn = 0;
sub all_store
{
	my ($name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	++$turn;
	foreach my $schema (@schemas)
	{
		send_text(udp($port{$schema}), "beat,from=$_ turn=${turn}i\nwind,from=$_ turn=${turn}i") foreach 1 .. 12;
		wait_for_value($node, "SELECT count(*) FROM $schema.beat WHERE turn = $turn", '12', "$name: $schema stores", $database);
		wait_for_value($node, "SELECT count(*) FROM $schema.wind WHERE turn = $turn", '12', "$name: $schema stores all", $database);
	}
	return;
}

# --- set up ---------------------------------------------------------------------------------------

foreach my $schema (@schemas)
{
	my $workers = $schema eq 'garden' ? 2 : 1;
	show("CREATE ROLE role_$schema LOGIN");
	show("CREATE SCHEMA $schema AUTHORIZATION role_$schema");
	show("SELECT listener_create('$schema', '$schema', $port{$schema}, role => 'role_$schema', workers => $workers)");
}
all_listen('set up');
all_store('set up');

# --- a restart of the server ----------------------------------------------------------------------

my @before = listeners($node);
$node->restart;
note '$ pg_ctl restart';
all_listen('restarted');
ok(!(grep { my $pid = $_; grep { $_ == $pid } @before } listeners($node)), 'they are other processes');
my %stored_before = map { $_ => sql("SELECT count(*) FROM (SELECT FROM $_.beat UNION ALL SELECT FROM $_.wind) AS s") } @schemas;
all_store('restarted');

# --- the views add up -----------------------------------------------------------------------------

# Also with lines that are refused.
send_text(udp($port{barn}), 'beat turn="none"');
wait_for_value($node, q{SELECT rejected FROM pg_stat_influx WHERE listener = 'barn'}, '1', 'a line is refused');
show('SELECT listener, datagrams, lines, stored, rejected, waiting FROM pg_stat_influx ORDER BY listener, pid');
show('SELECT schema, table_name, points, rejects, columns_added FROM pg_stat_influx_tables ORDER BY 1, 2');
is(sql('SELECT bool_and(lines = stored + rejected + waiting), sum(waiting) FROM pg_stat_influx'), 't|0', 'lines are stored or refused');
is(sql(q{SELECT count(*) FROM pg_stat_influx WHERE listener = 'garden'}), 2, 'two processes are two rows');
foreach my $schema (@schemas)
{
	my $rows = sql("SELECT count(*) FROM (SELECT FROM $schema.beat UNION ALL SELECT FROM $schema.wind) AS s") - $stored_before{$schema};
	is(sql("SELECT sum(stored) FROM pg_stat_influx WHERE listener = '$schema'"), $rows, "$schema: the processes have stored what is in the tables");
	is(sql("SELECT sum(points) FROM pg_stat_influx_tables WHERE schema = '$schema'"), $rows, "$schema: the tables have counted the same");
}
is(sql(q{SELECT sum(rejects) FROM pg_stat_influx_tables}), 1, 'and the line that was refused');

# --- each process in turn -------------------------------------------------------------------------

foreach my $process (map { my $of = $_; map { [ $of, $_ ] } 1 .. ($of eq 'garden' ? 2 : 1) } @schemas)
{
	my ($listener, $number) = @$process;
	my $pid = sql("SELECT pid FROM pg_stat_influx WHERE listener = '$listener' ORDER BY pid LIMIT 1 OFFSET $number - 1");
	kill 'TERM', $pid;
	note "\$ kill -TERM $pid";
	ok(defined wait_gone($pid), "$listener $number terminated: it ends");
	all_listen("$listener $number terminated");
}
all_store('each process terminated');

foreach my $listener (@schemas, 'garden', 'the supervisor')
{
	my $pid = sql(
		$listener eq 'the supervisor'
		? q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND datname = 'postgres'}
		: "SELECT pid FROM pg_stat_influx WHERE listener = '$listener' ORDER BY pid DESC LIMIT 1");
	my $offset = log_size($node);
	kill 'KILL', $pid;
	note "\$ kill -KILL $pid";
	wait_for_log($node, qr/database system is ready to accept connections/, $offset, "$listener killed: the server resets itself");
	# Crashes in a row have longer pauses between them; a change of the table ends one.
	$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND datname = 'postgres' AND state = 'idle'})
	  or die 'there is no supervisor';
	sql('UPDATE influx_listeners SET workers = workers');
	all_listen("$listener killed");
}
is(listener_count($node), 4, 'and nothing runs twice');
all_store('processes killed');

# --- a dump ---------------------------------------------------------------------------------------

sql(q{SELECT listener_stop(name) FROM influx_listeners});
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', '0', 'stopped: the ports are free');
my $dump = $node->basedir . '/dump.sql';
show('CREATE DATABASE copy');
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('copy') ], 'psql');
note '$ pg_dump postgres | psql copy';
show('SELECT name, schema, role, service, workers, enabled FROM influx_listeners ORDER BY name', 'copy');
is(sql('TABLE influx_listeners ORDER BY name', 'copy'), sql('TABLE influx_listeners ORDER BY name'), 'the listeners are in the copy');
$node->reload;    # what waits for a database looks again
wait_for_value($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND datname = 'copy'}, '1',
	'the copy has a supervisor');
show(q{SELECT listener_start(name) FROM influx_listeners}, 'copy');
all_listen('in the copy', 'copy');
all_store('in the copy', 'copy');
is(sql("SELECT count(*) FROM garden.beat WHERE turn = $turn"), 0, 'the database before gets nothing');
$node->stop('fast');

done_testing();
