# A process that has more memory than influx.max_memory, and cannot give it back, is followed by another one: the same
# sockets, all lines, all counts. Whatever goes wrong on the way, the listener is as it was before.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

# One worker slot is the supervisor's, one is for the process that follows.
my $node = new_node('succession', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres'
influx.max_memory = 16MB
influx.restart_time = 1
restart_after_crash = on
influx.batch_timeout = '20ms'
max_logical_replication_workers = 0
max_worker_processes = 4
CONF
my ($headers) = run_command([ 'pg_config', '--includedir-server' ]);
my $library = $node->basedir . '/leak.so';
system_or_bail('cc', '-O2', '-Wall', '-shared', '-fPIC', "-I$headers", '-o', $library, "$FindBin::RealBin/triggers/leak.c");

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub value_of { return sql("SELECT $_[1] FROM pg_stat_influx WHERE port = $_[0]"); }
sub pid_of { return value_of($_[0], 'pid'); }

# The socket of a port on 127.0.0.1, by its number in the kernel, which no other socket has.
sub socket_of
{
	my $local = sprintf '0100007F:%04X', $_[0];
	my @found = slurp_file('/proc/net/udp') =~ /^\s*\d+: $local (?:\S+\s+){7}(\d+)/mg;
	return join ',', @found;
}

sub memory_of
{
	my ($resident) = slurp_file("/proc/$_[0]/status") =~ /^RssAnon:\s+(\d+) kB/m or die "process $_[0] has gone";
	return $resident;
}

# What a port was sent, beside what a sender of its own does.
my %leaks;
sub leak { send_text(udp($_[0]), 'leaks v=1'); $leaks{ $_[0] }++; return; }

# Waits until another process has the listener of a port; a test.
sub follows
{
	my ($port, $before, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $pid;
	ok(poll_until(sub { $pid = pid_of($port); return $pid ne '' && $pid != $before }), "$name: another process has the listener");
	ok(defined wait_gone($before), "$name: the one before ends");
	return $pid;
}

sub stores
{
	my ($port, $schema, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	send_text(udp($port), qq(marks name="$name"));
	return wait_for_value($node, "SELECT count(*) FROM $schema.marks WHERE name = '$name'", '1', "$name: a line is stored");
}

foreach my $schema ('a', 'b')
{
	sql(<<"SQL");
CREATE SCHEMA $schema;
CREATE TABLE $schema.leaks (time timestamptz, v float8);
CREATE TABLE $schema.marks (time timestamptz, name text);
CREATE FUNCTION $schema.leak() RETURNS trigger LANGUAGE c AS '$library', 'leak';
CREATE TRIGGER leak BEFORE INSERT ON $schema.leaks FOR EACH ROW EXECUTE FUNCTION $schema.leak('64');
SQL
}

# --- launched, under load -------------------------------------------------------------------------

my $port = free_udp_port();
my $first = launch($node, $port, schema => 'a');
my $socket = socket_of($port);
my $memory = memory_of($first);
my $offset = log_size($node);
my $sender = start_sender(port => $port, rate => 1000, lines => 5, line => sub { "n i=$_[0]i" });
poll_until(sub { value_of($port, 'stored > 100') eq 't' });
leak($port);
my $second = follows($port, $first, 'launched');
my $followed = now_seconds();
my $stored = value_of($port, 'stored');
ok(poll_until(sub { value_of($port, 'stored') > $stored + 100 }), 'launched: lines are stored as before');
my $sent = stop_sender($sender);
is(socket_of($port), $socket, 'launched: it has the same socket');
cmp_ok(memory_of($second), '<', $memory + 32 * 1024, 'launched: and not the memory');
my $lines = $sent + 1;
wait_for_value($node, "SELECT stored FROM pg_stat_influx WHERE port = $port", $lines, 'launched: the counters go on');
is(value_of($port, 'lines, stored, rejected, waiting, lost_lines, lost_datagrams, kernel_drops, restarts, state, last_error IS NULL'),
	"$lines|$lines|0|0|0|0|0|1|listening|t", 'launched: nothing is lost, and the restart is counted');
is(sql('SELECT count(*), count(DISTINCT i), max(i) FROM a.n'), "$sent|$sent|$sent", 'launched: each line is stored once');
is(join(',', listeners($node)), $second, 'launched: there is one process');
like(log_of($node, $first, $offset),
	qr/influx: a new process is to take over the listener\n.*This one has (\d+) kB of memory beyond influx\.max_memory which.*influx: process $second has taken over the listener\n.*influx: stopped: .* 0 lines lost, 0 datagrams lost/s,
	'launched: the first process tells why it ends');
like(log_of($node, $second, $offset),
	qr/influx: taking over the listener from process $first, with \d+ sockets\n.*That had \d+ kB of memory beyond influx\.max_memory which.*influx: listening on 127\.0\.0\.1:$port/s,
	'launched: and the second one what for');

# It needs as much at once, and is not replaced for that. See the end.
leak($port);

# --- supervised -----------------------------------------------------------------------------------

my $b = free_udp_port();
sql("SELECT listener_create('b', schema => 'b', service => '$b', address => '127.0.0.1', allowed_sources => '127.0.0.0/8')");
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $b", 'listening', 'supervised: it listens');
my $third = pid_of($b);
$socket = socket_of($b);

# While a session has this table locked, no process can be started; it sees what happens then.
my $session = $node->background_psql('postgres');
sub seen { return $session->query_safe($_[0]); }
sub hold { return $session->query_safe('BEGIN; LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE'); }

# The process that is to follow, and waits.
sub held_successor
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $pid;
	ok( poll_until(
			sub {
				$pid = seen("SELECT p.pid FROM pg_locks AS p WHERE NOT granted AND relation = 'pg_db_role_setting'::regclass"
					  . ' AND pid <> ALL (SELECT pid FROM pg_stat_influx WHERE pid IS NOT NULL)');
				return $pid;
			}),
		"$name: a new process is held");
	return $pid;
}

hold();
$offset = log_size($node);
leak($b);
my $held = held_successor('ended');
kill 'TERM', $held;
ok(defined wait_gone($held), 'ended: it ends');
wait_for_log($node, qr/\[$third\] WARNING:  influx: no new process takes over the listener: it has ended before\n.*This one goes on with \d+ kB of memory/, $offset,
	'ended: that is told');
is(seen("SELECT pid, restarts, state FROM pg_stat_influx WHERE port = $b"), "$third|0|listening", 'ended: the first process goes on');
send_text(udp($b), 'marks name="ended"');
ok(poll_until(sub { seen("SELECT count(*) FROM b.marks WHERE name = 'ended'") eq '1' }), 'ended: and stores lines');

# It is tried again. What is changed meanwhile, the new process does.
$held = held_successor('again');
seen("UPDATE influx_listeners SET batch_size = 7, read_buffer = '64kB' WHERE name = 'b'");
seen('COMMIT');
my $fourth = follows($b, $third, 'again');
is($fourth, $held, 'again: which was held');
is(socket_of($b), $socket, 'again: it has the same socket');
wait_for_log($node, qr/\[$fourth\] LOG:  influx: listening on 127\.0\.0\.1:$b with a read buffer of 64 kB/, $offset,
	'again: what was changed meanwhile counts');
stores($b, 'b', 'again');
is(value_of($b, 'listener, restarts, lines = stored, lost_lines, kernel_drops, lines'), 'b|1|t|0|0|3', 'again: the counters go on');

# The supervisor takes it for the process that it had: it starts no other one, and what it says is done.
$offset = log_size($node);
sql("UPDATE influx_listeners SET batch_size = 8 WHERE name = 'b'");
wait_for_log($node, qr/\[$fourth\] LOG:  influx: listening on 127\.0\.0\.1:$b/, $offset, 'supervised: a change reaches it');
is(value_of($b, 'pid, restarts'), "$fourth|1", 'supervised: the supervisor has started nothing');
sql("SELECT pg_terminate_backend($fourth)");
ok( poll_until(sub { value_of($b, "state = 'listening' AND pid <> $fourth") eq 't' }),
	'supervised: where it ends, the supervisor starts another one');
my $fifth = pid_of($b);

# --- told to end meanwhile ------------------------------------------------------------------------

poll_until(sub { value_of($b, 'state') eq 'listening' });
hold();
leak($b);
$held = held_successor('terminated');
seen("SELECT pg_terminate_backend($fifth)");
ok(defined wait_gone($fifth), 'terminated: the process ends');
ok(defined wait_gone($held), 'terminated: and so does the one that was to follow');
seen('COMMIT');
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $b", 'listening', 'terminated: the supervisor starts another one');
stores($b, 'b', 'terminated');

# The change can be seen when both may go on: whoever has the listener by then ends.
$fifth = pid_of($b);
hold();
leak($b);
$held = held_successor('disabled');
seen("UPDATE influx_listeners SET enabled = false WHERE name = 'b'; COMMIT");
ok(defined wait_gone($fifth), 'disabled: the process ends');
ok(defined wait_gone($held), 'disabled: and so does the one that was to follow, or has followed');
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $b", '0', 'disabled: the listener is gone');
is(socket_of($b), '', 'nobody has the socket any more');
sql("UPDATE influx_listeners SET enabled = true WHERE name = 'b'");
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $b", 'listening', 'enabled: it listens again');
stores($b, 'b', 'enabled');

# --- no worker slot -------------------------------------------------------------------------------

my $taken = launch($node, free_udp_port(), schema => 'b');
$offset = log_size($node);
$fifth = pid_of($b);
leak($b);
wait_for_log($node, qr/\[$fifth\] WARNING:  influx: no new process takes over the listener: no background worker slot is free/, $offset,
	'no slot: that is told');
stores($b, 'b', 'no slot');
is(pid_of($b), $fifth, 'no slot: the process goes on');
sql("SELECT pg_terminate_backend($taken)");
my $sixth = follows($b, $fifth, 'a slot is free');
stores($b, 'b', 'slot');

# --- restarts -------------------------------------------------------------------------------------

# The second process of the first listener has had as much for some time.
my $same = pid_of($port) == $second;
ok($same || now_seconds() - $followed >= 60, 'a process that needs as much again is not replaced at once');
sql("SELECT pg_terminate_backend(pid) FROM pg_stat_influx WHERE port = $port");
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $port", '0', 'told to end, it ends for good');

# A crash while the postmaster has two processes of a launched listener: one comes back.
launch($node, $port, schema => 'a');
hold();
leak($port);
kill 'KILL', held_successor('crash');
eval { $session->quit };
ok(poll_until(sub { ($node->psql('postgres', 'SELECT 1'))[0] == 0 && value_of($port, "state = 'listening'") eq 't' }),
	'crash: the launched listener comes back');
ok(poll_until(sub { value_of($b, "state = 'listening'") eq 't' }), 'crash: and the supervised one');
stores($port, 'a', 'crash');
wait_for_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx listener'", '2', 'crash: and no other one');
$first = pid_of($port);
leak($port);
$second = follows($port, $first, 'after a crash');
is(sql('SELECT count(*) FROM pg_stat_influx'), '2', 'after a crash: each listener has one entry');
sql("SELECT pg_terminate_backend($second)");
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $port", '0', 'after a crash: told to end, it ends for good');

done_testing();
