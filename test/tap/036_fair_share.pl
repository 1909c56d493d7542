# No role takes all of the server: so many processes for a role, some worker slots for others; and the owner of a
# supervised database can drop it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('fair', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres, mine, pattern'
influx.restart_time = 1s
influx.max_listeners_per_role = 3
max_worker_processes = 12
CONF

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE greedy LOGIN;
CREATE ROLE modest LOGIN;
CREATE SCHEMA m;
GRANT ALL ON SCHEMA m TO PUBLIC;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO PUBLIC;
SQL

sub attempt
{
	my ($role, $port) = @_;
	return error_of($node, "SELECT worker_launch('m', " . ($port // free_udp_port()) . ')', connstr => $node->connstr('postgres') . " user=$role");
}

sub count_of
{
	my ($role) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_influx WHERE role = '$role'");
}

# --- So many for a role -----------------------------------------------------------------------------------------

launch($node, free_udp_port(), schema => 'm', role => 'greedy') foreach 1 .. 3;
my $error = attempt('greedy');
is($error->{sqlstate}, '53400', 'a fourth process of a role is refused');
is($error->{message}, 'listeners of role "greedy" may have no more than 3 processes', 'the limit is told');
is($error->{hint}, 'Stop a listener, or have an administrator raise influx.max_listeners_per_role.', 'and what to do');
is(count_of('greedy'), 3, 'nothing is left of it');
ok(launch($node, free_udp_port(), schema => 'm', role => 'modest'), 'another role still has its own');

# A launch that fails gives its place back, each time.
my $taken = IO::Socket::IP->new(Type => IO::Socket::SOCK_DGRAM(), LocalHost => '127.0.0.1', LocalPort => 0);
foreach (1 .. 5)
{
	is(attempt('modest', $taken->sockport)->{sqlstate}, '55006', 'a launch fails for another reason');
}
is(count_of('modest'), 1, 'failed ones are not counted');
launch($node, free_udp_port(), schema => 'm', role => 'modest') foreach 1 .. 2;
is(attempt('modest')->{sqlstate}, '53400', 'and the limit is what it was');

# Many at the same moment.
$node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_influx WHERE role = 'greedy'});
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE role = 'greedy'}, 0, 'a role starts anew');
my $base = free_udp_port();
my $script = $node->basedir . '/race.sql';
append_to_file($script, "SELECT worker_launch('m', $base);\n");
my ($output, $errors) = run_command([ 'pgbench', '-n', '-c', 8, '-j', 4, '-t', 1, '-f', $script, $node->connstr('postgres') . ' user=greedy' ]);
is(count_of('greedy'), 3, 'of eight at the same moment, three are there');
my $refused = () = $errors =~ /may have no more than 3 processes/g;
is($refused, 5, 'and five were refused');

# --- Some worker slots for others --------------------------------------------------------------------------------

# 12 slots, three supervisors; two are for others: seven at most.
configure($node, 'influx.max_listeners_per_role' => 100);
launch($node, free_udp_port(), schema => 'm', role => 'greedy');
$error = attempt('greedy');
is($error->{sqlstate}, '53400', 'the last worker slots are not for listeners');
is($error->{message}, q{listeners may have no more than 7 of the server's background workers}, 'which is told');
like($error->{hint}, qr/influx\.reserved_workers/, 'and what to do');
ok(launch($node, free_udp_port(), schema => 'm'), 'a superuser may have one of them');
$node->safe_psql('postgres', q{SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_influx});
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', 0, 'all are stopped');

# --- Supervised ones ---------------------------------------------------------------------------------------------

configure($node, 'influx.max_listeners_per_role' => 2);
my $port = free_udp_port();
$error = error_of($node, "SELECT listener_create('wide', 'm', $port, role => 'greedy', workers => 3)");
is($error->{sqlstate}, '53400', 'a supervised listener of more processes is refused');
is($error->{message}, 'listeners of role "greedy" may have no more than 2 processes', 'with the same words');
$node->safe_psql('postgres', "SELECT listener_create('wide', 'm', $port, role => 'greedy', workers => 2)");
is(error_of($node, 'SELECT listener_create(\'more\', \'m\', ' . free_udp_port() . ', role => \'greedy\')')->{sqlstate},
	'53400', 'and so is a second one of the role');
# As a restore may bring it.
$node->safe_psql('postgres', q{UPDATE influx_listeners SET workers = 4});
my $states = q{SELECT string_agg(state, ' ' ORDER BY state) FROM pg_stat_influx WHERE listener = 'wide'};
wait_for_value($node, $states, 'failed failed listening listening', 'two of four processes are there');
is($node->safe_psql('postgres', q{SELECT DISTINCT last_error FROM pg_stat_influx WHERE state = 'failed'}),
	'listeners of role "greedy" may have no more than 2 processes', 'the others show why not');
is(attempt('greedy')->{sqlstate}, '53400', 'they count for launched ones too');
configure($node, 'influx.max_listeners_per_role' => 8);
wait_for_value($node, $states, 'listening listening listening listening', 'with a higher limit all are there');

# --- The owner drops a supervised database -----------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE ROLE owner LOGIN CREATEDB; CREATE ROLE guest LOGIN');
my $owner = $node->connstr('postgres') . ' user=owner';
my $mine = free_udp_port();
my $launched = free_udp_port();
sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name OWNER owner");
	$node->safe_psql($name, "CREATE EXTENSION influx; CREATE SCHEMA m; SELECT listener_create('mine', 'm', $mine, workers => 2)");
	$node->reload;
	wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE database = '$name' AND state = 'listening'", 2, "a supervised database $name");
	return;
}
make_database('mine');
launch($node, $launched, database => 'mine', schema => 'm');
my $pids = q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE datname = 'mine'};
my $before = $node->safe_psql('postgres', $pids);
is(scalar(split / /, $before), 4, 'a supervisor and three listeners of a superuser run in it');

foreach my $attempt (
	[ 'guest', 'DROP DATABASE mine WITH (FORCE)', '42501', 'who is not the owner cannot drop it' ],
	[ 'owner', 'BEGIN; DROP DATABASE mine WITH (FORCE); COMMIT', '25001', 'nor the owner in a transaction' ])
{
	my ($role, $sql, $sqlstate, $name) = @$attempt;
	is(error_of($node, $sql, connstr => $node->connstr('postgres') . " user=$role")->{sqlstate}, $sqlstate, $name);
	is($node->safe_psql('postgres', $pids), $before, 'and nothing was stopped by that');
}
is(error_of($node, 'DROP DATABASE mine WITH (FORCE)', database => 'mine')->{sqlstate}, '55006', 'nor from within');
is($node->safe_psql('postgres', $pids), $before, 'nor by that');

my $offset = log_size($node);
is(error_of($node, 'DROP DATABASE mine WITH (FORCE)', connstr => $owner)->{message}, '', 'the owner drops it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'mine'}), '0', 'it is gone');
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE database IS NULL OR database = 'mine'}, 0, 'with its listeners');
ok(!is_bound($_), 'and their ports') foreach $mine, $launched;

# The supervisor is tried again, less and less often.
my $again = qr/the supervisor of database "mine" is started again in (\d+) s/;
ok(poll_until(sub { my @all = log_since($node, $offset) =~ /$again/g; @all >= 3 }), 'its supervisor is tried again');
my @seconds = log_since($node, $offset) =~ /$again/g;
is("@seconds[0 .. 2]", '1 2 4', 'after longer and longer times');
make_database('mine');

# Without FORCE it is refused, as it is for any database in use; nothing is stopped.
$before = $node->safe_psql('postgres', $pids);
is(error_of($node, 'DROP DATABASE mine', connstr => $owner)->{sqlstate}, '55006', 'without FORCE it is in use');
is($node->safe_psql('postgres', $pids), $before, 'and goes on');

# One that cannot be dropped is left alone as well.
$node->safe_psql('postgres', 'ALTER DATABASE mine IS_TEMPLATE true');
is(error_of($node, 'DROP DATABASE mine WITH (FORCE)', connstr => $owner)->{sqlstate}, '42809', 'a template is not dropped');
is($node->safe_psql('postgres', $pids), $before, 'and goes on');

# Where it fails at last, all that is supervised comes back.
$node->safe_psql('postgres', 'ALTER DATABASE mine IS_TEMPLATE false');
my $session = $node->background_psql('mine');
is(error_of($node, 'DROP DATABASE mine WITH (FORCE)', connstr => $owner)->{sqlstate}, '42501', "a superuser's session is in the way");
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE database = 'mine' AND state = 'listening'}, 2, 'the listeners are there again');
isnt($node->safe_psql('postgres', $pids), $before, 'by other processes');
$session->quit;

$node->stop;
done_testing();
