# However a listener ends, each line that it has received is stored, refused, or counted as lost; and what can be kept of
# lines that wait is in influx_rejects.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Which process gets no epoll instance any more.
my $no_epoll = PostgreSQL::Test::Utils::tempdir() . '/no_epoll';
my $shim = PostgreSQL::Test::Utils::tempdir() . '/no_epoll.so';
system_or_bail('cc', '-O2', '-Wall', '-shared', '-fPIC', '-o', $shim, "$FindBin::RealBin/preload/no_epoll.c");

my $node;
{
	local $ENV{LD_PRELOAD} = $shim;
	local $ENV{INFLUX_TEST_NO_EPOLL} = $no_epoll;
	$node = new_node('lost', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres'
influx.batch_timeout = '10ms'
influx.rejects = table
influx.restart_time = 1
CONF
}
sub sql { my ($query, $database) = @_; return $node->safe_psql($database // 'postgres', $query); }

sql(<<'SQL');
CREATE SCHEMA s;
CREATE TABLE s.t (time timestamptz, n bigint);
CREATE TABLE s.locked (time timestamptz, n bigint);
CREATE TABLE s.slow (time timestamptz, n bigint);
CREATE TABLE s.fatal (time timestamptz, n bigint);
CREATE FUNCTION s.sleeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NULL; END $$;
CREATE TRIGGER sleeps AFTER INSERT ON s.slow FOR EACH STATEMENT EXECUTE FUNCTION s.sleeps();
-- An error that ends the session, in a batch that is written, and in a value that is read.
CREATE FUNCTION s.ends() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN SET exit_on_error = on; RAISE 'the end of it'; END $$;
CREATE TRIGGER ends AFTER INSERT ON s.fatal FOR EACH STATEMENT EXECUTE FUNCTION s.ends();
CREATE FUNCTION s.ends_at(bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN IF $1 = 3 THEN SET exit_on_error = on; RAISE 'the end of it'; END IF; RETURN true; END $$;
CREATE DOMAIN s.ending AS bigint CHECK (s.ends_at(VALUE));
CREATE TABLE s.mapped (time timestamptz, n s.ending);
SQL
my ($port, $pid, $socket, $lock, $offset);
my $held = 3;    # lines that wait for a table

# A listener with lines that wait for a table, and one that is stored.
sub begin
{
	my ($launched) = @_;
	$port = free_udp_port();
	sql('TRUNCATE s.t, s.locked, s.slow, s.fatal, s.mapped; DELETE FROM influx_rejects');
	if ($launched)
	{
		$pid = launch($node, $port, schema => 's');
	}
	else
	{
		sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('l', 's', current_user, '$port')");
		wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $port", 'listening', 'a supervised listener');
		$pid = sql("SELECT pid FROM pg_stat_influx WHERE port = $port");
	}
	$socket = udp($port);
	$lock = $node->background_psql('postgres');
	$lock->query_safe('BEGIN; LOCK s.locked');
	$offset = log_size($node);
	send_text($socket, join("\n", 't n=1i', map { "locked n=${_}i" } 1 .. $held));
	wait_for_value($node, counted('stored, waiting'), "1|$held", 'lines wait for a table');
	return;
}

sub counted { return "SELECT $_[0] FROM pg_stat_influx WHERE port = $port"; }
my $adds_up = 'lines = stored + rejected + waiting + lost_lines';

# What the last line of the log says: points stored, lines refused, lines lost, datagrams lost.
sub totals
{
	my ($stopped) = log_of($node, $pid, $offset) =~ /stopped: \d+ datagrams received, (.*)/;
	return $stopped =~ /^(\d+) points stored, (\d+) lines refused, (\d+) lines lost, (\d+) datagrams lost/ ? "$1|$2|$3|$4" : 'none';
}

sub is_kept
{
	my ($lines, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, q{SELECT string_agg(encode(line, 'escape'), ',' ORDER BY encode(line, 'escape')) FROM influx_rejects}, $lines, $name);
}
my $held_lines = 'locked n=1i,locked n=2i,locked n=3i';

sub let_go { $lock->query_safe('COMMIT'); $lock->quit; return; }

# --- told to end ----------------------------------------------------------------------------------

begin(1);
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
is(totals(), "1|$held|0|0", 'told to end: nothing is lost');
is_kept($held_lines, 'what waited is kept');
let_go();

begin(0);
sql('UPDATE influx_listeners SET enabled = false');
wait_gone($pid);
is(totals(), "1|$held|0|0", 'a supervised one that is stopped: nothing is lost');
is_kept($held_lines, 'what waited is kept');
let_go();
sql('DELETE FROM influx_listeners');

# The write of what was refused takes too long; the next one does not.
begin(1);
sql(<<'SQL');
CREATE SEQUENCE s.writes;
CREATE FUNCTION s.slow_once() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN IF nextval('s.writes') = 1 THEN PERFORM pg_sleep(600); END IF; RETURN NEW; END $$;
CREATE TRIGGER slow_once BEFORE INSERT ON influx_rejects FOR EACH ROW EXECUTE FUNCTION s.slow_once();
SQL
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
is(totals(), "1|$held|0|0", 'ended while refused lines are written: nothing is lost');
is_kept($held_lines, 'what waited is kept all the same');
sql('DROP FUNCTION s.slow_once CASCADE; DROP SEQUENCE s.writes');
let_go();

# --- ended within a batch -------------------------------------------------------------------------

begin(1);
send_text($socket, "slow n=1i\nslow n=2i");
wait_for_value($node, "SELECT wait_event FROM pg_stat_activity WHERE pid = $pid", 'PgSleep', 'a batch takes its time');
send_text($socket, "t n=2i\nt n=3i\nt n=4i");
sql("SELECT pg_terminate_backend($pid)");
my $seconds = wait_gone($pid);
ok(defined $seconds && $seconds < 30, 'it is ended in the middle');
note("after $seconds s") if defined $seconds;
# Nobody has taken the last datagram from the kernel, unless the process was in time to.
like(totals(), qr/^1\|5\|(?:0\|0|3\|1)$/, 'ended in a batch: its lines are refused, what was behind it is counted as lost');
is_kept("$held_lines,slow n=1i,slow n=2i", 'what waited is kept, and what was being written');
let_go();

# --- ended by an error that the server does not let pass ------------------------------------------

begin(1);
send_text($socket, "fatal n=1i\nfatal n=2i\nt n=2i");
wait_gone($pid);
wait_for_value($node, counted("state, $adds_up, lines, stored, rejected, lost_lines, restarts"), 'listening|t|7|1|6|0|1',
	'ended by FATAL, and started again: the count goes on, and adds up');
is_kept("fatal n=1i,fatal n=2i,$held_lines,t n=2i", 'the lines are kept');
let_go();
send_text($socket, 't n=5i');
wait_for_value($node, counted("$adds_up, lines, stored"), 't|8|2', 'on top of what was counted');
$pid = sql(counted('pid'));
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);

begin(1);
send_text($socket, join("\n", 't n=2i', map({ "mapped n=${_}i" } 1 .. 5), 'nothing'));
wait_gone($pid);
wait_for_value($node, counted("state, $adds_up, lines, stored, rejected, lost_lines, restarts"), 'listening|t|11|1|10|0|1',
	'ended by FATAL where a value is read: the rest of the datagram counts');
is_kept("$held_lines," . join(',', map { "mapped n=${_}i" } 1 .. 5) . ',nothing,t n=2i', 'and is kept');
$pid = sql(counted('pid'));
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
let_go();

# --- ended by an error of its own -----------------------------------------------------------------

begin(1);
send_text($socket, 't n=2i');
wait_for_value($node, counted('stored'), '2', 'one more line is stored');
# It needs one more file descriptor to wait for its sockets, and gets none.
append_to_file($no_epoll, "$pid\n");
$node->reload;
wait_gone($pid);
wait_for_value($node, counted("state, $adds_up, lines, stored, rejected, lost_lines, restarts"), 'listening|t|5|2|3|0|1',
	'ended by ERROR, and started again: the count adds up');
like(sql(counted('last_error')), qr/Too many open files/, 'the error is shown');
is_kept($held_lines, 'what waited is kept');
$pid = sql(counted('pid'));
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
let_go();

# --- the server can write nothing -----------------------------------------------------------------

begin(1);
configure($node, default_transaction_read_only => 'on');
send_text($socket, "t n=2i\nt n=3i");
wait_for_log($node, qr/\[$pid\] WARNING:  influx: nothing can be written now/, $offset, 'a batch waits for the server');
send_text($socket, "t n=4i\nt n=5i");
wait_for_value($node, counted("$adds_up, waiting"), 't|' . ($held + 4), 'and others behind it');
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
is(totals(), '1|5|2|1', 'a batch that waits is refused, what was behind it counts as lost');
let_go();
configure($node, default_transaction_read_only => undef);

# --- the server ends ------------------------------------------------------------------------------

begin(1);
$node->stop('fast');
is(totals(), "1|$held|0|0", 'a fast shutdown: nothing is lost');
$lock->quit;
$node->start;
is_kept($held_lines, 'what waited is kept');

begin(1);
$node->stop('immediate');
$lock->quit;
unlike(log_of($node, $pid, $offset), qr/stopped:/, 'an immediate shutdown leaves no time to count');
$node->start;
is(sql('SELECT count(*) FROM s.t'), '1', 'what was committed is there');

# --- version 1.1 ----------------------------------------------------------------------------------

sql('CREATE DATABASE old');
sql(q{CREATE EXTENSION influx VERSION '1.1'}, 'old');
$port = free_udp_port();
$pid = launch($node, $port, database => 'old', schema => 'public');
$socket = udp($port);
send_text($socket, "t n=1i\nwrong");
wait_for_value($node, counted('lines, stored, rejected'), '2|1|1', 'a listener of version 1.1', 'old');
wait_for_rows($node, 'influx_rejects', 1, 'keeps refused lines', 'old');
sql('ALTER EXTENSION influx UPDATE', 'old');
is(sql(counted('lines, stored, rejected, lost_lines'), 'old'), '2|1|1|0', 'after the update it counts on, with what is new');
send_text($socket, 'wrong again');
wait_for_value($node, "SELECT count(*) FROM influx_rejects WHERE role_oid = role::text::regrole", '2', 'and keeps lines with the OID of its role', 'old');

$node->stop;
done_testing();
