# Starting again: a listener that fails is started again by the server, and goes on where it was; one that was
# told to end is not, and neither is one whose restart cannot succeed. After a crash of the server what was
# committed is there, and the listeners are back.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::IP;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $node = new_node('restart', "restart_after_crash = on\ninflux.restart_time = 1\nwal_level = replica\nhot_standby = on\n");
my $port = free_udp_port();

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }
sub shown { return "SELECT $_[1] FROM pg_stat_influx WHERE port = $_[0]"; }

sub value_of { return sql(shown(@_)); }

# Waits until another process than $old listens on the port, and returns its pid.
sub wait_restarted
{
	my ($name, $on, $old) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $on AND state = 'listening' AND pid <> $old",
		'1', "$name: it listens again");
	my $pid = value_of($on, 'pid');
	ok(is_running($pid), "$name: its process is there");
	return $pid;
}

my $marks = 0;

# Sends one line and waits for its row.
sub stores
{
	my ($name, $to, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	++$marks;
	send_text(udp($to), "mark n=${marks}i");
	wait_for_value($node, "SELECT count(*) FROM mark WHERE n = $marks", '1', "$name: it stores", $database);
	return;
}

# Makes the server reset itself, as after a crash of any of its processes, and waits until it is back.
sub crash_server
{
	my $offset = log_size($node);
	my $victim = sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'");
	kill 'KILL', $victim;
	poll_until(sub { log_since($node, $offset) =~ /database system is ready to accept connections/ })
	  or die 'the server did not come back';
	return;
}

# Takes the files from a process, so that it fails by itself: it needs one to read its configuration again.
sub make_fail
{
	my ($pid) = @_;
	system_or_bail('prlimit', '--pid', $pid, '--nofile=1:');
	kill 'HUP', $pid;
	poll_until(sub { !is_running($pid) }) or die 'the listener does not fail without files';
	return;
}

# How often the log tells that the listener on a port is not started again.
sub given_up
{
	my ($on, $offset) = @_;
	my $count = () = log_since($node, $offset) =~ /WARNING:  influx: the listener for schema "\w+" on port $on is not started again\n/g;
	return $count;
}

# The listener is killed, which makes the server reset itself.
my $pid = launch($node, $port);
stores('before', $port);
my $offset = log_size($node);
kill 'KILL', $pid;
$pid = wait_restarted('killed', $port, $pid);
like(log_since($node, $offset), qr/all server processes terminated; reinitializing/, 'the server has reset itself');
is(sql('SELECT count(*) FROM mark'), '1', 'killed: what was committed is there');
stores('killed', $port);
is(value_of($port, 'restarts'), '1', 'killed: the restart is counted');
is(listener_count($node), 1, 'killed: there is one listener');

# Another process is killed.
crash_server();
$pid = wait_restarted('another process killed', $port, $pid);
is(sql('SELECT count(*) FROM mark'), '2', 'another process killed: what was committed is there');
stores('another process killed', $port);

# Signals under load.
my $sender = start_sender(port => $port, rate => 20_000, line => sub { "loaded n=$_[0]i" });
wait_for_value($node, 'SELECT count(*) > 1000 FROM loaded', 't', 'load comes in');

sub load_goes_on
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $last = sql('SELECT max(n) FROM loaded');
	wait_for_value($node, "SELECT max(n) > $last FROM loaded", 't', "$name: rows come in");
	return;
}
foreach my $signal (qw(HUP INT USR1 USR2))
{
	kill $signal, $pid foreach 1 .. 20;
	load_goes_on("SIG$signal under load");
	is(value_of($port, 'pid'), $pid, "SIG$signal under load: by the same process");
}
kill 'QUIT', $pid;
$pid = wait_restarted('SIGQUIT under load', $port, $pid);
load_goes_on('SIGQUIT under load');

# Told to end, in all the ways there are. None of these is there when the server has started the others
# again; the one that is lets us know that it has.
my $control_port = free_udp_port();
my $control = launch($node, $control_port);
kill 'TERM', $pid;
ok(defined wait_gone($pid), 'SIGTERM under load: it ends');
stop_sender($sender);
is(sql('SELECT count(*) - count(DISTINCT n) FROM loaded'), '0', 'nothing was stored twice');

my ($twice_port, $dropped_port) = (free_udp_port(), free_udp_port());
my $twice = launch($node, $twice_port);
my $session = $node->background_psql('postgres');
# A write waits as long as the session likes.
sql(<<'SQL');
CREATE FUNCTION wait_for_session() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
CREATE TRIGGER wait_for_session BEFORE INSERT ON mark EXECUTE FUNCTION wait_for_session();
SQL
configure($node, 'influx.lock_timeout' => "'60s'");
$session->query_safe('SELECT pg_advisory_lock(4711)');
send_text(udp($twice_port), 'mark n=0i');
wait_for_value($node, "SELECT count(*) > 0 FROM pg_locks WHERE pid = $twice AND NOT granted", 't', 'a listener is in a write');
sql("SELECT pg_terminate_backend($twice), pg_terminate_backend($twice)");
ok(defined wait_gone($twice), 'terminated twice during a write: it ends');
$session->quit;
sql('DROP TRIGGER wait_for_session ON mark');
configure($node, 'influx.lock_timeout' => undef);
create_database($node, 'dropped');
my $dropped = launch($node, $dropped_port, database => 'dropped');
sql('DROP DATABASE dropped WITH (FORCE)');
ok(defined wait_gone($dropped), 'DROP DATABASE WITH (FORCE): it ends');

# Nor is one that could not even start: by an error of its own, by one of the server, or because nobody waits
# for it any more.
my $unstarted_port = free_udp_port();
my $other_program = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $unstarted_port)
  or die "could not bind: $@";
is(error_of($node, "SELECT worker_launch('public', $unstarted_port)")->{sqlstate}, '55006', 'a launch that fails by its own error');
close $other_program;
create_database($node, 'shut');
$session = $node->background_psql('shut', on_error_stop => 0);
sql('ALTER DATABASE shut ALLOW_CONNECTIONS false');
$session->query("SELECT worker_launch('public', $unstarted_port)");
like($session->{stderr}, qr/ERROR:  database "shut" is not currently accepting connections/, 'a launch that fails by an error of the server');
$session->quit;
# A listener reads the settings of its role when it starts.
$session = $node->background_psql('postgres');
my $launcher = $node->background_psql('postgres', on_error_stop => 0);
my $launcher_pid = $launcher->query_safe('SELECT pg_backend_pid()');
$session->query_safe('BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE');
$launcher->query_until(qr/launching/, "\\echo launching\nSELECT worker_launch('public', $unstarted_port);\n");
my $starting;
ok( poll_until(
		sub {
			$starting = $session->query_safe("SELECT pid FROM pg_stat_influx WHERE port = $unstarted_port AND state = 'starting'"
				  . ' AND EXISTS (SELECT 1 FROM pg_locks WHERE pg_locks.pid = pg_stat_influx.pid AND NOT granted)');
			return $starting;
		}),
	'a listener waits for a lock while it starts');
$session->query_safe("SELECT pg_terminate_backend($launcher_pid)");
ok(defined wait_gone($launcher_pid), 'the session that launches it ends');
ok(defined wait_gone($starting), 'and so does the listener');
$session->query_safe('COMMIT');
$session->quit;
eval { $launcher->quit };

is(sql('SELECT string_agg(port::text, \',\') FROM pg_stat_influx'), $control_port, 'none of these is shown');
crash_server();
$control = wait_restarted('after all those', $control_port, $control);
is(join(',', listeners($node)), $control, 'and were not started again');

# A failure of its own: no files. The server goes on; the counts go on.
$pid = launch($node, $port);
stores('before it fails', $port);
$offset = log_size($node);
make_fail($pid);
my $failed = $pid;
$pid = wait_restarted('no files', $port, $failed);
stores('no files', $port);
is(value_of($port, 'restarts, last_error, last_error_sqlstate, last_error_time > started - interval \'1min\', datagrams >= 2 AND stored >= 2'),
	'1|epoll_create1 failed: Too many open files|XX000|t|t', 'no files: the error is shown, and counting goes on');
like(log_of($node, $failed, $offset), qr/ERROR:  epoll_create1 failed: Too many open files\n.*LOG:  influx: the listener for schema "public" on port $port is started again in 1 s\n/s,
	'no files: the log tells, and what comes of it');
is(value_of($control_port, 'pid'), $control, 'no files: others are not disturbed');

# The port is taken while the process is down: it is tried again, after longer and longer times.
sub take_port
{
	my $socket;
	poll_until(sub {
		$socket = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $port);
		return defined $socket;
	}) or die "could not take port $port: $@";
	return $socket;
}
make_fail($pid);
my $taken = take_port();
$offset = log_size($node);
wait_for_log($node, qr/ERROR:  could not bind UDP socket to 127\.0\.0\.1:$port: address already in use.*is started again in 4 s.*is started again in 8 s/s,
	$offset, 'port taken: the waiting is doubled');
wait_for_value($node, shown($port, 'state, last_error, last_error_sqlstate'),
	"failed|could not bind UDP socket to 127.0.0.1:$port: address already in use|55006",
	'port taken: the state and the error are shown');
my $restarts = value_of($port, 'restarts');
close $taken;
$pid = wait_restarted('port free again', $port, $pid);
stores('port free again', $port);
is(value_of($port, 'restarts') - $restarts, 1, 'port free again: the next attempt succeeds');

# One that waits to be started again is no session. It ends by a signal, and by the setting.
make_fail($pid);
$taken = take_port();
wait_for_value($node, shown($port, 'state, pid IS NOT NULL'), 'failed|t', 'a process waits for its next attempt');
my $waiting = value_of($port, 'pid');
is(listener_count($node), 1, 'it is not connected');
kill 'TERM', $waiting;
ok(defined wait_gone($waiting), 'it ends at once when it is told to');
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $port", '0', 'and is not shown any more');
close $taken;
$pid = launch($node, $port);
make_fail($pid);
$taken = take_port();
wait_for_value($node, shown($port, 'state, pid IS NOT NULL'), 'failed|t', 'a process waits for its next attempt');
$waiting = value_of($port, 'pid');
$offset = log_size($node);
configure($node, 'influx.restart_time' => -1);
ok(defined wait_gone($waiting), 'it ends when influx.restart_time is set to -1');
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $port", '0', 'and is not shown any more');
is(given_up($port, $offset), 1, 'and the log tells');
close $taken;

# With that setting none is started again.
$pid = launch($node, $port);
$offset = log_size($node);
make_fail($pid);
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $port", '0', 'influx.restart_time = -1: a failed listener is gone');
is(given_up($port, $offset), 1, 'influx.restart_time = -1: and the log tells');
configure($node, 'influx.restart_time' => undef);

# Restarts that cannot succeed.
my %lost = map { $_ => free_udp_port() } qw(nologin role schema usage connections database);
sql(<<'SQL');
CREATE ROLE nologin LOGIN;
CREATE ROLE short_lived LOGIN;
CREATE ROLE no_usage LOGIN;
CREATE SCHEMA short_lived;
CREATE SCHEMA closing;
GRANT USAGE ON SCHEMA closing TO no_usage;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO PUBLIC;
SQL
create_database($node, $_) foreach qw(closed gone);
launch($node, $lost{nologin}, role => 'nologin');
launch($node, $lost{role}, role => 'short_lived');
launch($node, $lost{schema}, schema => 'short_lived');
launch($node, $lost{usage}, schema => 'closing', role => 'no_usage');
launch($node, $lost{connections}, database => 'closed');
launch($node, $lost{database}, database => 'gone');
sql('ALTER ROLE nologin NOLOGIN');
sql('REVOKE USAGE ON SCHEMA closing FROM no_usage');
sql('ALTER DATABASE closed ALLOW_CONNECTIONS false');
send_text(udp($lost{connections}), 'm v=1i');
wait_for_value($node, shown($lost{connections}, 'stored'), '1', 'a database that is closed to new connections: its listener goes on');
send_text(udp($lost{nologin}), 'm v=');
wait_for_value($node, shown($lost{nologin}, 'rejected'), '1', 'a role that may not log in any more: its listener goes on');
$offset = log_size($node);
configure($node, 'influx.restart_time' => 600);
crash_server();
# Before they are started again: a listener that works ends by itself where these are dropped.
sql('DROP ROLE short_lived; DROP SCHEMA short_lived; DROP DATABASE gone');
configure($node, 'influx.restart_time' => undef);
$control = wait_restarted('restarts that cannot succeed', $control_port, $control);
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', '1', 'the others have ended');
my %reasons = (
	nologin => 'role "nologin" is not permitted to log in',
	role => 'role with OID \d+ does not exist',
	schema => 'schema with OID \d+ does not exist for the listener',
	usage => 'permission denied for schema closing',
	connections => 'database "closed" is not currently accepting connections',
	database => 'database \d+ does not exist');
foreach my $what (sort keys %reasons)
{
	like(log_since($node, $offset), qr/on port $lost{$what} is not started again\n[^\n]* DETAIL:  $reasons{$what}\n/,
		"$what: the log tells that it is not started again, and why");
}
crash_server();
$control = wait_restarted('once more', $control_port, $control);
is(join(' ', map { given_up($_, $offset) } sort values %lost), '1 1 1 1 1 1', 'each of them says so once');
is(join(',', listeners($node)), $control, 'and none is there');

# A role that is dropped while its listener works.
sql('CREATE ROLE passing LOGIN');
my $passing_port = free_udp_port();
my $passing = launch($node, $passing_port, role => 'passing');
$offset = log_size($node);
sql('DROP ROLE passing');
ok(defined wait_gone($passing), 'a listener whose role was dropped ends, where nothing is sent, too');
my @told = log_of($node, $passing, $offset) =~ /(WARNING:  influx: the listener ends: its role was dropped)\n/g;
is(scalar @told, 1, 'the log tells once');
is(value_of($passing_port, 'count(*)'), '0', 'and it is not shown any more');

# The server is shut down at once, and started: workers do not come back by themselves, rows do.
my $rows = sql('SELECT count(*) FROM mark');
$node->stop('immediate');
ok(!is_running($control), 'immediate shutdown: the listener is gone');
$node->start;
is(sql('SELECT count(*) FROM mark'), $rows, 'immediate shutdown: what was committed is there');
is(sql('SELECT count(*) FROM pg_stat_influx'), '0', 'immediate shutdown: there is no listener');
$pid = launch($node, $port);
stores('immediate shutdown', $port);

# The postmaster is killed.
$rows = sql('SELECT count(*) FROM mark');
$node->kill9;
ok(defined wait_gone($pid), 'postmaster killed: the listener ends');
$taken = take_port();
ok(defined $taken, 'postmaster killed: its port is free');
close $taken;
# What is left of the other processes keeps the server from starting for a moment.
ok( poll_until(
		sub {
			return 1 if $node->start(fail_ok => 1);
			$node->stop('fast', fail_ok => 1);
			return;
		}),
	'postmaster killed: the server starts');
is(sql('SELECT count(*) FROM mark'), $rows, 'postmaster killed: what was committed is there');
$pid = launch($node, $port);
stores('postmaster killed', $port);

# A standby has no listeners until it is promoted.
$node->append_conf('postgresql.conf', "max_wal_senders = 5\nlisten_addresses = ''\n");
$node->restart;
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
is($standby->safe_psql('postgres', 'SELECT count(*) FROM pg_stat_influx'), '0', 'standby: there is no listener');
is(error_of($standby, "SELECT worker_launch('public', $port)")->{sqlstate}, '25006', 'standby: none can be launched');
$standby->promote;
launch($standby, $port);
send_text(udp($port), 'promoted n=1i');
ok($standby->poll_query_until('postgres', 'SELECT count(*) FROM promoted', '1'), 'promoted: a listener can be launched, and stores');
is($standby->safe_psql('postgres', shown($port, 'state, stored')), 'listening|1', 'promoted: and is shown');

done_testing();
