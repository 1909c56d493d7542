# Ending: a listener ends when it is told to, at once and under any load, and what it had received before is
# stored; it is not started again; it holds up neither shutdown, nor restart, nor DROP DATABASE; and it does
# not outlive the postmaster.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Far above the second that it should take, and far below any deadline of the server's own.
my $soon = 5;

my $node = new_node('terminate');
my $port = free_udp_port();

sub terminate
{
	my ($pid) = @_;
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'signalled');
	return wait_gone($pid);
}

sub ends_soon
{
	my ($seconds, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(defined $seconds && $seconds < $soon, $name)
	  or diag('it took ' . ($seconds // 'for ever'));
	note("$name: $seconds s") if defined $seconds;
	return;
}

sub flood
{
	my ($to, %options) = @_;
	return start_sender(port => $to, line => sub { "flood,host=a n=$_[0]i" }, %options);
}

# Idle.
my $offset = log_size($node);
my $pid = launch($node, $port);
ends_soon(terminate($pid), 'an idle listener ends');
like(
	log_of($node, $pid, $offset),
	qr/influx: stopped: 0 datagrams received, 0 points stored, 0 lines refused, 0 lines lost, 0 datagrams lost, 0 datagrams turned away\n/,
	'it reports its totals');

# Not started again: were it, there would be two when the next one is there, as the port can be shared.
my $next = launch($node, $port);
is(join(',', listeners($node)), $next, 'a listener that was terminated is not started again');

# A cancel means a statement, and does not end it.
$node->safe_psql('postgres', "SELECT pg_cancel_backend($next)");
send_text(udp($port), 'cancelled v=1i');
wait_for_rows($node, 'cancelled', 1, 'pg_cancel_backend does not stop a listener');
is(join(',', listeners($node)), $next, 'it is the same one');

# What was received before is stored, although its batch was not due for a long time.
$offset = log_size($node);
configure($node, 'influx.batch_timeout' => "'60s'");
my $socket = udp($port);
send_text($socket, "waiting n=${_}i") foreach 1 .. 10;
is($node->safe_psql('postgres', "SELECT to_regclass('waiting') IS NULL"),
	't', 'a batch that is not due is not written');
ends_soon(terminate($next), 'a listener with a batch that is not due ends');
my (undef, $waiting) = $node->psql('postgres', 'SELECT count(*), min(n), max(n) FROM waiting');
is($waiting, '10|1|10', 'what was received before was stored');
like(
	log_of($node, $next, $offset),
	qr/influx: stopped: 11 datagrams received, 11 points stored, 0 lines refused, 0 lines lost, 0 datagrams lost/,
	'and counted');
configure($node, 'influx.batch_timeout' => undef);

# A fast shutdown may send SIGTERM twice, to the process and to its group: that is one request. The last batch takes
# its time, so that the second one comes within it.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
CREATE TRIGGER take_time BEFORE INSERT ON waiting EXECUTE FUNCTION take_time();
SQL
foreach my $round (1 .. 20)
{
	$pid = launch($node, $port);
	$node->safe_psql('postgres', 'TRUNCATE waiting');
	configure($node, 'influx.batch_timeout' => "'60s'");
	send_text($socket, join "\n", map { "waiting n=${_}i" } 1 .. 100);
	$node->poll_query_until('postgres', "SELECT lines = 100 FROM pg_stat_influx WHERE pid = $pid") or die 'not received';
	my $start = now_seconds();
	kill 'TERM', $pid;
	Time::HiRes::sleep(0.02);
	kill 'TERM', $pid;
	my $apart = now_seconds() - $start;
	wait_gone($pid);
	configure($node, 'influx.batch_timeout' => undef);
	next if $apart > 0.08 && $round < 20;    # the machine was busy
	is($node->safe_psql('postgres', 'SELECT count(*) FROM waiting'), '100', 'SIGTERM twice at once: what was received is stored');
	last;
}
$node->safe_psql('postgres', 'DROP FUNCTION take_time CASCADE');

# Under a flood.
$offset = log_size($node);
$pid = launch($node, $port);
my $sender = flood($port);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 10000 FROM flood'), 'a flood comes in');
my $seconds = terminate($pid);
stop_sender($sender);
ends_soon($seconds, 'a listener under a flood ends');
like(log_of($node, $pid, $offset), qr/influx: stopped: \d+ datagrams received/, 'it ends in order');
unlike(log_since($node, $offset), qr/PANIC|terminated by signal/, 'and nothing crashes');

# Every number is stored at most once: the end of a listener does not write a batch twice.
is( $node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT n) FROM flood'),
	'0', 'nothing was stored twice');

# While lines wait for a table that somebody else has locked.
$node->safe_psql('postgres', 'TRUNCATE flood');
$pid = launch($node, $port);
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
$session->query_safe('BEGIN; LOCK TABLE flood IN ACCESS EXCLUSIVE MODE');
$offset = log_size($node);
send_lines(udp($port), map { "flood,host=lock n=${_}i" } 1 .. 10);
wait_for_log($node, qr/\[$pid\] WARNING:  influx: table "flood" is locked/, $offset, 'lines wait for the lock');
ends_soon(terminate($pid), 'a listener with lines that wait for a lock ends');
my $ending = log_of($node, $pid, $offset);
like($ending, qr/10 lines refused, 0 lines lost, 0 datagrams lost, 0 datagrams turned away\n/, 'what could not be written is refused');
like($ending, qr/line refused: the listener was stopped while the table was locked \(SQLSTATE 55P03\)/,
	'with the reason');
$session->query_safe('COMMIT');
is($node->safe_psql('postgres', 'SELECT count(*) FROM flood'), '0', 'and was not written');

# The same under load, when the thread that receives beside the write is at work.
$pid = launch($node, $port);
$sender = flood($port, rate => 50_000);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 10000 FROM flood'), 'load comes in');
$offset = log_size($node);
$session->query_safe('BEGIN; LOCK TABLE flood IN ACCESS EXCLUSIVE MODE');
wait_for_log($node, qr/\[$pid\] WARNING:  influx: table "flood" is locked/, $offset,
	'lines wait for the lock under load');
$seconds = terminate($pid);
stop_sender($sender);
ends_soon($seconds, 'a listener with lines that wait for a lock under load ends');
$session->query_safe('COMMIT');
$session->quit;

# The server goes down and comes back.
sub timed
{
	my ($name, $action) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = now_seconds();
	$action->();
	my $taken = now_seconds() - $start;
	cmp_ok($taken, '<', 20, $name);
	note("$name: $taken s");
	return;
}

$pid = launch($node, $port);
timed('a fast shutdown is not held up by an idle listener', sub { $node->stop('fast') });
ok(!is_running($pid), 'the listener is gone');
$node->start;
is(listener_count($node), 0, 'it is not there after the start');

$pid = launch($node, $port);
$node->safe_psql('postgres', 'TRUNCATE flood');
$sender = flood($port);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 10000 FROM flood'), 'a flood comes in');
timed('a restart is not held up by a listener under a flood', sub { $node->restart });
ok(!is_running($pid), 'the listener is gone');
$pid = launch($node, $port);
my $before = $node->safe_psql('postgres', 'SELECT count(*) FROM flood');
ok($node->poll_query_until('postgres', "SELECT count(*) > $before FROM flood"),
	'a listener can be launched again under the flood, and stores');
timed('an immediate shutdown is not held up either', sub { $node->stop('immediate') });
ok(!is_running($pid), 'the listener is gone');
stop_sender($sender);
$node->start;

# DROP DATABASE.
create_database($node, 'dropped');
my $pid_idle = launch($node, free_udp_port(), database => 'dropped');
$pid = launch($node, $port, database => 'dropped');
$sender = flood($port);
ok($node->poll_query_until('dropped', 'SELECT count(*) > 10000 FROM flood'), 'a flood comes in');
my ($status, $output, $errors) = $node->psql('postgres', 'DROP DATABASE dropped WITH (FORCE)');
is($status, 0, 'DROP DATABASE WITH (FORCE) works under load') or diag($errors);
ok(!is_running($pid) && !is_running($pid_idle), 'the listeners are gone');
stop_sender($sender);

# A database that is dropped elsewhere, and other things that all processes have to answer.
$pid = launch($node, $port);
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere; DROP DATABASE elsewhere');
send_text(udp($port), 'elsewhere v=1i');
wait_for_rows($node, 'elsewhere', 1, 'a listener does not keep another database from being dropped');

# The postmaster dies.
$node->safe_psql('postgres', 'DROP TABLE IF EXISTS flood');
my $busy_port = free_udp_port();
my $busy = launch($node, $busy_port);
$sender = flood($busy_port);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 10000 FROM flood'), 'a flood comes in');
$node->kill9;
ends_soon(wait_gone($pid), 'an idle listener ends with the postmaster');
ends_soon(wait_gone($busy), 'a busy listener ends with the postmaster');
stop_sender($sender);

done_testing();
