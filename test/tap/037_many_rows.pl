# A table of listeners with 150,000 rows: the supervisor keeps of it what can run, and answers at once whatever it is
# asked, and so do the functions that change the table.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('many', "shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\ninflux.restart_time = 1s\n");
my $port = free_udp_port();
my $socket = udp($port);
$node->safe_psql('postgres', "CREATE SCHEMA m; SELECT listener_create('first', 'm', $port)");
my $listening = q{SELECT count(*) FROM pg_stat_influx WHERE state = 'listening'};
wait_for_value($node, $listening, 1, 'a listener is there');
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM pg_stat_influx');

sub supervisor { return $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'influx supervisor'}) }
sub cpu_seconds
{
	my ($process) = @_;
	my @fields = split / /, slurp_file("/proc/$process/stat") =~ s/.*\) //r;
	return ($fields[11] + $fields[12]) / POSIX::sysconf(POSIX::_SC_CLK_TCK());
}
sub memory_kb { my ($kb) = slurp_file("/proc/$_[0]/status") =~ /^VmData:\s+(\d+)/m; return $kb; }

# Rows that cannot work, behind one that does; which then is the last one.
my $supervisor = supervisor();
my $before_kb = memory_kb($supervisor);
my $offset = log_size($node);
$node->safe_psql('postgres', <<'SQL');
INSERT INTO influx_listeners (name, schema, role, service, workers)
SELECT 'row' || n, 'nowhere', current_user, '1', 1 + n % 2 FROM generate_series(1, 150000) AS n;
UPDATE influx_listeners SET batch_size = 11 WHERE name = 'first';
SQL
wait_for_log($node, qr/listener "row\d+" has too many processes: the table of listeners is full/, $offset, 'those without room are told of');
my $room = $node->safe_psql('postgres', q{SELECT current_setting('max_worker_processes')::integer + 128});
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', $room, 'as many as there is room for are there');
is($node->safe_psql('postgres', q{SELECT pid FROM pg_stat_influx WHERE listener = 'first'}), $pid, 'the one that runs is left alone');
is(supervisor(), $supervisor, 'and the supervisor is the same');
# A row and its texts took a kilobyte, and the processes of a row another one.
cmp_ok(memory_kb($supervisor) - $before_kb, '<', 8 * 1024, 'in a few megabytes');
send_text($socket, 'm n=1i');
wait_for_rows($node, 'm.m', 1, 'the listener stores');

# What it costs to look. It took a hundred seconds of a processor.
my $cpu = cpu_seconds($supervisor);
my $looks = 3;
foreach (1 .. $looks)
{
	$offset = log_size($node);
	$node->reload;
	wait_for_log($node, qr/\[$pid\] LOG:  influx: listening on/, $offset, 'a reload is seen by the listener');
}
# It has looked for certain when a row that comes behind them is gone again.
$node->safe_psql('postgres', q{UPDATE influx_listeners SET enabled = false WHERE name = 'first'});
ok(wait_gone($pid), 'a listener of the table is stopped');
cmp_ok(cpu_seconds($supervisor) - $cpu, '<', 20, 'a look takes its time once for each row');

# The functions. They compare with the listeners that are enabled.
my $error = error_of($node, "SELECT listener_create('more', 'm', $port)");
is($error->{sqlstate}, '53400', 'another listener is refused');
like($error->{message}, qr/^the listeners of database "postgres" would need at least \d+ background workers$/, 'for the number of processes');
$node->safe_psql('postgres', q{UPDATE influx_listeners SET enabled = false WHERE name LIKE 'row%'});
is(error_of($node, "SET statement_timeout = '60s'; SELECT listener_create('more', 'm', $port)")->{message}, '', 'beside 150,000 that are disabled it is made');
wait_for_value($node, $listening, 1, 'and started');
$node->safe_psql('postgres', q{UPDATE influx_listeners SET enabled = true WHERE name LIKE 'row%'});

# It ends in the middle of a look: told to, it is gone before the look could have ended.
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE backend_type = 'influx supervisor'});
ok(wait_gone($supervisor), 'the supervisor ends when it is told to');
wait_for_value($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx supervisor'}, 1, 'and is started again');
$node->reload;
my $start = now_seconds();
$node->stop('fast');
cmp_ok(now_seconds() - $start, '<', 30, 'a fast shutdown does not wait for the table');

done_testing();
