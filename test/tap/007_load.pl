# Load: a steady stream of lines is stored without a loss, and is visible while it comes in; so it is when a
# lock keeps the listener from writing for a second. A listener that has nothing to do holds nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($rate, $duration) = (20_000, 10);

my $node = new_node('load', "fsync = on\nautovacuum = on\n");
my $port = free_udp_port();
my $pid = launch($node, $port);

sub line_of
{
	my ($table) = @_;
	return sub {
		my $n = $_[0];
		return "$table,host=server" . $n % 20 . ',region=eu n=' . $n . 'i,usage=' . $n % 100 . '.5 1574753954000000000';
	};
}

# What a listener has that has nothing to do.
sub holds_nothing
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for_value(
		$node,
		'SELECT state, xact_start IS NULL, backend_xid IS NULL, backend_xmin IS NULL,'
		  . " (SELECT count(*) FROM pg_locks WHERE pid = $pid)"
		  . " FROM pg_stat_activity WHERE pid = $pid",
		'idle|t|t|t|0',
		"$name: idle, without a transaction, a snapshot or a lock");
	return;
}

sub all_stored
{
	my ($table, $sent, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for_value($node, "SELECT count(*), count(DISTINCT n), min(n), max(n) FROM $table",
		"$sent|$sent|1|$sent", $name);
	return;
}

holds_nothing('before');
my $threads = () = glob("/proc/$pid/task/*");
is($threads, 1, 'an idle listener has one thread');

# A steady stream, looked at all the time.
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
my $sender = start_sender(port => $port, line => line_of('steady'), rate => $rate, count => $rate * $duration);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM steady'), 'the first rows are visible');
my ($looks, $growths, $seen, $worst) = (0, 0, 0, 0);
my $changed = now_seconds();
for (;;)
{
	my $count = $node->safe_psql('postgres', 'SELECT count(*) FROM steady');
	++$looks;
	if ($count > $seen)
	{
		++$growths;
		my $pause = now_seconds() - $changed;
		$worst = $pause if $pause > $worst;
		($seen, $changed) = ($count, now_seconds());
	}
	last if $seen >= $rate * $duration || now_seconds() - $changed > 10;
}
my ($sent, $seconds) = wait_sender($sender);
all_stored('steady', $sent, "all $sent lines are stored");
note(sprintf 'sent %d lines in %.1f s, %.0f a second; count seen growing %d times, at most %.2f s apart',
	$sent, $seconds, $sent / $seconds, $growths, $worst);
is($sent, $rate * $duration, 'as many as were to be sent');
# On a busy machine there is no time for many looks; then there is something new at each.
ok($growths >= 20 || 2 * $growths >= $looks, 'rows became visible all the time') or diag("$growths of $looks looks");
holds_nothing('after the load');

# A lock for a second in the middle of it. What comes in meanwhile is more than a kernel's buffer of the usual
# size would hold.
$sender = start_sender(port => $port, line => line_of('held'), rate => $rate, count => $rate * 5);
ok($node->poll_query_until('postgres', "SELECT count(*) > $rate FROM held"), 'rows come in');
my $locked_at = log_size($node);
$session->query_safe('BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(1)');
wait_for_log($node, qr/\[$pid\] WARNING:  influx: table "held" is locked/, $locked_at, 'lines wait for the lock');
$session->query_safe('COMMIT');
($sent) = wait_sender($sender);
all_stored('held', $sent, "all $sent lines are stored, with a lock of a second in between");
holds_nothing('after the lock');

# What the kernel's buffer cannot hold is caught beside a write that is held up, here by a row of the same key
# that somebody has not committed. The buffer has room for less than half of what is sent.
configure($node, 'influx.read_buffer' => "'256kB'", 'influx.lock_timeout' => "'60s'");
$node->safe_psql('postgres', 'CREATE TABLE caught (time timestamptz, n bigint UNIQUE)');
send_lines(udp($port), 'caught n=0i');
wait_for_rows($node, 'caught', 1, 'a table with a key');
$session->query_safe('BEGIN; INSERT INTO caught VALUES (now(), 1)');
# Enough for a batch that is written under load, in pieces that the buffer has room for.
$sender = start_sender(port => $port, line => sub { "caught n=$_[0]i" }, rate => 10_000, lines => 20, count => 30_000);
wait_sender($sender);
is( $session->query_safe("SELECT count(*) > 0 FROM pg_locks WHERE pid = $pid AND NOT granted"),
	't', 'the listener waits while all is sent');
$session->query_safe('ROLLBACK');
wait_for_value($node, 'SELECT count(*), count(DISTINCT n) FROM caught', '30001|30001',
	'all lines are stored that came in during a write that waited');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM (SELECT n < lag(n) OVER (ORDER BY ctid) AS late FROM caught) AS s WHERE late'),
	'0', 'in the order in which they were sent');
configure($node, 'influx.read_buffer' => undef, 'influx.lock_timeout' => undef);
$session->quit;

# Told to end under load that goes on.
my $offset = log_size($node);
$sender = start_sender(port => $port, line => line_of('endless'), rate => $rate);
ok($node->poll_query_until('postgres', "SELECT count(*) > $rate FROM endless"), 'rows come in');
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'signalled');
my $gone = wait_gone($pid);
stop_sender($sender);
ok(defined $gone && $gone < 5, 'the listener ends under continuing load');
my ($received, $stored, $refused, $lost) = log_of($node, $pid, $offset) =~
  /stopped: (\d+) datagrams received, (\d+) points stored, (\d+) lines refused, 0 lines lost, (\d+) datagrams lost/;
is($lost, 0, 'it lost no datagram in all its time');
is($refused, 0, 'and refused no line');
is( $stored,
	$node->safe_psql('postgres',
		'SELECT (SELECT count(*) FROM steady) + (SELECT count(*) FROM held) + (SELECT count(*) FROM caught)'
		  . ' + (SELECT count(*) FROM endless)'),
	'and counted each row that it stored');
is( $node->safe_psql('postgres', 'SELECT count(*) = max(n) AND count(*) = count(DISTINCT n) FROM endless'),
	't', 'what it received last is stored without a gap');

done_testing();
