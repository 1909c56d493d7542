# The table of listeners goes through a dump: into another database, with its schema and roles into another
# server, and to where the library is not preloaded.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('dumped');
my ($one, $two) = (free_udp_port(), free_udp_port());
my $rows = q{SELECT * FROM influx_listeners ORDER BY name};

$node->safe_psql('postgres', <<"SQL");
CREATE SCHEMA garden;
CREATE ROLE gardener LOGIN;
GRANT USAGE ON SCHEMA garden TO gardener;
SELECT listener_create('garden', 'garden', $one, role => 'gardener', address => '127.0.0.1, ::1',
  "precision" => 'ms', workers => 2, batch_size => 10, batch_timeout => '1s', read_buffer => '1MB',
  allowed_sources => '127.0.0.0/8');
SELECT listener_create('cellar', 'public', $two, enabled => false);
SQL
my $expected = $node->safe_psql('postgres', $rows);
is(scalar(split /\n/, $expected), 2, 'there are two listeners');

# Into another database of the server.
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('postgres') ], 'the database is dumped');
my $text = slurp_file($dump);
unlike($text, qr/CREATE (?:TRIGGER|POLICY|TABLE|FUNCTION)[^\n]*listener/, 'what the extension makes is not in the dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ],
	'and restored into another one');
is($node->safe_psql('restored', $rows), $expected, 'the listeners are there');
is($node->safe_psql('restored', q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'influx_listeners'::regclass}),
	1, 'and the trigger, once');

# The functions go on there. Listeners of other databases are not compared.
$node->safe_psql('restored', q{SELECT listener_alter('garden', workers => 1)});
is($node->safe_psql('restored', q{SELECT workers FROM influx_listeners WHERE name = 'garden'}), 1, 'they can be changed');
my $error = error_of($node, "SELECT listener_create('second', 'garden', $one)", database => 'restored');
is($error->{sqlstate}, '55006', 'and are compared with new ones');

# Into another server: the rows come before the roles have their rights, or are there at all.
my $other = new_node('restored');
$other->safe_psql('postgres', 'CREATE DATABASE restored');
my $data = $node->basedir . '/data.sql';
$node->command_ok([ 'pg_dump', '--no-privileges', '--file', $data, $node->connstr('postgres') ], 'dumped without rights');
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $data, $other->connstr('restored') ],
	'and restored where there are no such roles');
is($other->safe_psql('restored', $rows), $expected, 'the listeners are there');
$error = error_of($other, q{SELECT listener_alter('garden', workers => 3)}, database => 'restored');
is("$error->{sqlstate} $error->{message}", '42704 role "gardener" does not exist', 'what is missing is told');
$other->safe_psql('restored', 'CREATE ROLE gardener LOGIN; GRANT USAGE ON SCHEMA garden TO gardener');
$other->safe_psql('restored', q{SELECT listener_alter('garden', workers => 3)});
is($other->safe_psql('restored', q{SELECT workers FROM influx_listeners WHERE name = 'garden'}), 3, 'and then it goes');

# A port that the server has no right to.
SKIP:
{
	my $first = slurp_file('/proc/sys/net/ipv4/ip_unprivileged_port_start');
	skip 'the server may bind every port', 2 if $first < 1024 || $> == 0;
	$error = error_of($node, q{SELECT listener_create('low', 'garden', 1023)});
	is($error->{sqlstate}, '42501', 'a privileged port is refused');
	is($error->{hint}, 'Ports below 1024 are for privileged processes; choose a higher one.', 'with a hint');
}

# An upgrade brings the table.
$node->safe_psql('postgres', 'CREATE DATABASE upgraded');
$node->safe_psql('upgraded', q{CREATE EXTENSION influx VERSION '1.0'});
is($node->safe_psql('upgraded', q{SELECT to_regclass('influx_listeners') IS NULL}), 't', 'version 1.0 has no listeners');
$node->safe_psql('upgraded', q{ALTER EXTENSION influx UPDATE TO '1.2'});
$node->safe_psql('upgraded', "SELECT listener_create('new', 'public', $two)");
is($node->safe_psql('upgraded', 'SELECT name FROM influx_listeners'), 'new', 'after an upgrade there can be some');

# Two sessions that would take the same port: one waits for the other, and is refused.
my $session = $node->background_psql('upgraded');
$session->query_safe("SET client_min_messages = error; BEGIN; SELECT listener_create('first', 'public', $one)");
my $waiting = $node->background_psql('upgraded', on_error_stop => 0);
$waiting->query_until(qr/begun/, "\\echo begun\nSELECT listener_create('late', 'public', $one);\n\\echo ended\n");
wait_for_value($node, q{SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareRowExclusiveLock'}, 1,
	'a second one waits', 'upgraded');
is($node->safe_psql('upgraded', 'SELECT name FROM influx_listeners'), 'new', 'readers do not');
$session->query_safe('COMMIT');
$session->quit;
$waiting->query('SELECT 1');
$waiting->quit;
is($node->safe_psql('upgraded', 'SELECT name FROM influx_listeners ORDER BY name'), "first\nnew", 'and is refused');
$node->stop;
$other->stop;

# With a supervisor they do what they say.
my $boot = new_node('supervised', "shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\nmax_prepared_transactions = 1\n");
my ($status, $output, $errors);

# What runs: name of the role, port.
sub wait_running
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($boot,
		q{SELECT coalesce(string_agg(role || ' ' || port, ', ' ORDER BY port), '') FROM pg_stat_influx WHERE state = 'listening'},
		$expected, $name);
}
$boot->safe_psql('postgres', 'CREATE SCHEMA garden; CREATE ROLE gardener LOGIN; GRANT USAGE, CREATE ON SCHEMA garden TO gardener');
ok($boot->poll_query_until('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx supervisor'}, 1),
	'there is a supervisor');
($status, $output, $errors) =
  $boot->psql('postgres', "SELECT listener_create('garden', 'garden', $one, role => 'gardener', workers => 2)");
is("$status|$errors", '0|', 'nothing is missing');
wait_running("gardener $one, gardener $one", 'a listener that is created is started');
send_text(udp($one), 'bed,kind=herb wet=1');
wait_for_rows($boot, 'garden.bed', 1, 'and stores');
$boot->safe_psql('postgres', "SELECT listener_alter('garden', $two, workers => 1)");
wait_running("gardener $two", 'one that is altered is started anew');

# Each argument of listener_alter(), one at a time: what the process then is.
sub wait_shown
{
	my ($columns, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($boot, "SELECT $columns FROM pg_stat_influx WHERE listener = 'garden' AND state = 'listening'", $expected, $name);
}

sub alter { $boot->safe_psql('postgres', "SELECT listener_alter('garden', $_[0])"); return; }
my $pid = $boot->safe_psql('postgres', q{SELECT pid FROM pg_stat_influx WHERE listener = 'garden'});
alter(q{address => '127.0.0.1'});
wait_shown('addresses', "{127.0.0.1:$two}", 'address');
alter(q{read_buffer => '64kB'});
wait_shown('read_buffer', 65536, 'read_buffer');
my $offset = log_size($boot);
alter(q{allowed_sources => '127.0.0.1'});
wait_for_log($boot, qr/\[$pid\] LOG:  influx: taking datagrams of these sources only: 127\.0\.0\.1\n/, $offset, 'allowed_sources');
# A batch of two lines is full; one alone waits.
alter(q{batch_size => 2});
alter(q{batch_timeout => '50s'});
$offset = log_size($boot);
kill 'HUP', $pid;
wait_for_reload($boot, $offset, $pid);
send_text(udp($two), join("\n", map { "size n=${_}i" } 1 .. 2));
wait_shown('stored, waiting', '2|0', 'batch_size: a full batch does not wait');
send_text(udp($two), 'size n=3i');
wait_shown('stored, waiting', '2|1', 'batch_timeout: one that is not full does');
alter(q{batch_timeout => '10ms'});
wait_shown('stored, waiting', '3|0', 'until the time is over');
alter(q{reset => '{address, read_buffer, allowed_sources, batch_size, batch_timeout}'});
wait_shown('addresses', "{127.0.0.1:$two,[::1]:$two}", 'reset');
wait_shown('pid', $pid, 'all that by the same process');
alter(q{"precision" => 's'});
wait_shown('"precision"', 's', 'precision');
alter(q{workers => 2});
wait_running("gardener $two, gardener $two", 'workers');
wait_shown(q{count(*) || ' of ' || count(DISTINCT pid)}, '2 of 2', 'a row for each process, with the name of the listener');
alter(q{workers => 1});
wait_running("gardener $two", 'fewer workers');
$boot->safe_psql('postgres', 'CREATE SCHEMA yard; CREATE ROLE yardman LOGIN; GRANT USAGE, CREATE ON SCHEMA garden, yard TO yardman');
alter(q{role => 'yardman'});
wait_shown('role', 'yardman', 'role');
alter(q{schema => 'yard'});
wait_shown('schema', 'yard', 'schema');
alter(q{schema => 'garden', role => 'gardener'});
wait_shown(q{schema || ' ' || role}, 'garden gardener', 'two at once');
alter('enabled => false');
wait_running('', 'not enabled');
alter('enabled => true');
wait_running("gardener $two", 'and enabled');
$boot->safe_psql('postgres', q{SELECT listener_stop('garden')});
wait_running('', 'one that is stopped ends');
$boot->safe_psql('postgres', q{SELECT listener_start('garden')});
wait_running("gardener $two", 'and is started again');
$boot->safe_psql('postgres', q{BEGIN; SELECT listener_drop('garden'); ROLLBACK});
$pid = $boot->safe_psql('postgres', q{SELECT pid FROM pg_stat_influx});
$boot->safe_psql('postgres', "BEGIN; SELECT listener_create('undone', 'garden', $one); SELECT listener_alter('garden', workers => 3); ROLLBACK");
$error = error_of($boot, "BEGIN; SELECT listener_create('prepared', 'garden', $one); PREPARE TRANSACTION 'p'");
is("$error->{sqlstate} $error->{message}", '0A000 cannot prepare a transaction that has changed influx_listeners', 'nor is it prepared');
# A later change is seen, and nothing of those before.
$boot->safe_psql('postgres', "SELECT listener_create('later', 'garden', $one)");
wait_running(join(', ', map { ($_ == $one ? 'postgres' : 'gardener') . " $_" } sort { $a <=> $b } $one, $two), 'one more');
is($boot->safe_psql('postgres', q{SELECT string_agg(listener, ',' ORDER BY listener) FROM pg_stat_influx}), 'garden,later', 'and no other');
is($boot->safe_psql('postgres', q{SELECT pid FROM pg_stat_influx WHERE listener = 'garden'}), $pid, 'the process is the same');
$boot->safe_psql('postgres', q{SELECT listener_drop('later')});
wait_running("gardener $two", 'it is dropped');
is($boot->safe_psql('postgres', 'SELECT name FROM influx_listeners'), 'garden', 'what is rolled back has not happened');
$boot->restart;
wait_running("gardener $two", 'it is there after a restart of the server');
$boot->safe_psql('postgres', q{SELECT listener_drop('garden')});
wait_running('', 'one that is dropped ends');

# A database that is not named.
create_database($boot, 'unnamed');
($status, $output, $errors) = $boot->psql('unnamed', "SELECT listener_create('a', 'public', $one)");
is($status, 0, 'a listener of another database is kept');
like($errors, qr/WARNING:  [^\n]*: influx.databases does not name database "unnamed"\n[^\n]*HINT:  Add it to influx.databases/,
	'with a warning that it is not started');
$error = error_of($boot, q{SELECT listener_start('a')}, database => 'unnamed');
is("$error->{sqlstate} $error->{message}",
	'55000 listeners of table influx_listeners are not started: influx.databases does not name database "unnamed"',
	'to start it is an error');
$boot->stop;
done_testing();
