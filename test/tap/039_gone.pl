# What a listener works for goes: its schema, the extension, its role. It ends by itself, also where nothing is sent, and
# gives its port back. Rights that come by way of a role are noticed. A catalog that is locked ends nobody.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('gone', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres'
influx.batch_timeout = '10ms'
influx.rejects = table
influx.restart_time = 1
CONF
sub sql { my ($query, $database) = @_; return $node->safe_psql($database // 'postgres', $query); }

# Whether a listener ends within the two seconds that are promised, and some for a machine under load; a test.
sub ends
{
	my ($pid, $port, $reason, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $seconds = wait_gone($pid);
	ok(defined $seconds, "$name: the listener ends by itself, where nothing is sent, too");
	note("after $seconds s") if defined $seconds;
	ok(!is_bound($port), "$name: its port is free");
	like(log_of($node, $pid, 0), qr/WARNING:  influx: the listener ends: $reason\n/, "$name: the log says why");
	is(sql("SELECT count(*) FROM pg_stat_influx WHERE port = $port AND pid IS NOT NULL"), '0', "$name: it is not shown as one that runs");
	return;
}

sub is_stored
{
	my ($socket, $line, $table, $count, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	send_text($socket, $line);
	return wait_for_rows($node, $table, $count, $name, $database);
}

# --- the schema -----------------------------------------------------------------------------------

my $port = free_udp_port();
sql('CREATE SCHEMA a');
my $pid = launch($node, $port, schema => 'a');
sql('DROP SCHEMA a; CREATE SCHEMA a');
ends($pid, $port, 'its schema was dropped', 'schema');
$pid = launch($node, $port, schema => 'a');
sql('ALTER SCHEMA a RENAME TO b');
is_stored(udp($port), 'm n=1i', 'b.m', 1, 'one that is renamed is there still');
ok(is_running($pid), 'and its listener');
# With a line that waits: it is kept.
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK b.m');
send_text(udp($port), 'm n=2i');
wait_for_value($node, "SELECT waiting FROM pg_stat_influx WHERE port = $port", '1', 'a line waits');
$lock->query_safe('SET client_min_messages = warning; DROP SCHEMA b CASCADE; COMMIT');
$lock->quit;
ends($pid, $port, 'its schema was dropped', 'schema with a line that waits');
wait_for_value($node, q{SELECT encode(line, 'escape') FROM influx_rejects}, 'm n=2i', 'which is kept');
sql('DELETE FROM influx_rejects');

# --- the role -------------------------------------------------------------------------------------

sql('CREATE SCHEMA c; CREATE TABLE c.m (time timestamptz, n bigint); CREATE ROLE x LOGIN; GRANT USAGE ON SCHEMA c TO x');
sql('GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO PUBLIC');
$pid = launch($node, $port, schema => 'c', role => 'x');
my $socket = udp($port);
send_text($socket, 'm n=1i');
wait_for_value($node, 'SELECT count(*) FROM influx_rejects', '1', 'a role without a right on the table');
# The right comes by a membership, by itself: nothing else changes, and nobody reloads.
sql('CREATE ROLE writers; GRANT INSERT ON c.m TO writers');
send_text($socket, 'm n=2i');
wait_for_value($node, 'SELECT count(*) FROM influx_rejects', '2', 'has none');
sql('GRANT writers TO x');
is_stored($socket, 'm n=3i', 'c.m', 1, 'a right that comes with a membership is noticed');
sql('REVOKE writers FROM x');
send_text($socket, 'm n=4i');
wait_for_value($node, 'SELECT count(*) FROM influx_rejects', '3', 'and that it is gone');
sql('ALTER ROLE x SUPERUSER');
is_stored($socket, 'm n=5i', 'c.m', 2, 'a right that comes with the role is noticed');
sql('ALTER ROLE x NOSUPERUSER');
sub rejects_seen { my (undef, $out) = $node->psql('postgres', 'SELECT count(*) FROM influx_rejects', connstr => $node->connstr('postgres') . ' user=x'); return $out; }
is(rejects_seen(), '3', 'the role sees what its listener has refused');
sql('REVOKE USAGE ON SCHEMA c FROM x; DROP ROLE x; CREATE ROLE x LOGIN; GRANT USAGE ON SCHEMA c TO x');
ends($pid, $port, 'its role was dropped', 'role');
is(rejects_seen(), '0', 'another role of that name does not see what was sent to the former one');
$pid = launch($node, $port, schema => 'c', role => 'x');
$socket = udp($port);
send_text($socket, 'm n=6i');
wait_for_value($node, 'SELECT count(*) FROM influx_rejects', '4', 'its own listener refuses a line');
is(rejects_seen(), '1', 'which it sees');
# What counts for the role counts at the next start: a session that is there goes on.
sql('ALTER ROLE x NOLOGIN; GRANT INSERT ON c.m TO x');
is_stored($socket, 'm n=7i', 'c.m', 3, 'a listener goes on where its role may not log in any more');
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);

# --- the catalog is locked ------------------------------------------------------------------------

# A reload, and roles that change, with lines that wait and one that comes: the listener outlives it all.
my $other = free_udp_port();
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('kept', 'c', current_user, '$other')");
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $other", 'listening', 'a supervised listener');
$pid = launch($node, $port, schema => 'c');
my ($kept) = sql("SELECT pid FROM pg_stat_influx WHERE port = $other");
$socket = udp($port);
my @sockets = ($socket, udp($other));
send_text($_, 'm n=8i') foreach @sockets;
wait_for_rows($node, 'c.m', 5, 'two listeners are at work');
my $session = $node->background_psql('postgres');
my $stored = 5;
foreach my $catalog (qw(pg_authid pg_namespace pg_extension pg_depend))
{
	my $offset = log_size($node);
	sql('CREATE TABLE IF NOT EXISTS c.held (time timestamptz, n bigint)');
	my $hold = $node->background_psql('postgres');
	$hold->query_safe('BEGIN; LOCK c.held');
	send_text($_, 'held n=1i') foreach @sockets;
	wait_for_value($node, "SELECT sum(waiting) FROM pg_stat_influx WHERE port IN ($port, $other)", '2', "$catalog: lines wait");
	# Both find that what they know is not valid any more, and cannot look it up.
	kill 'STOP', $pid, $kept;
	sql('ALTER ROLE CURRENT_USER CONNECTION LIMIT -1; GRANT USAGE ON SCHEMA c TO PUBLIC; REVOKE USAGE ON SCHEMA c FROM PUBLIC;'
		. ' CREATE ROLE passing; DROP ROLE passing');
	$session->query_safe("BEGIN; LOCK pg_catalog.$catalog");
	$node->reload;
	poll_until(sub { has_pending_hangup($pid) && has_pending_hangup($kept) }) or die 'no SIGHUP';
	kill 'CONT', $pid, $kept;
	wait_for_reload($node, $offset, $_) foreach $pid, $kept;
	send_text($_, 'm n=9i') foreach @sockets;
	$session->query_safe('COMMIT');
	wait_for_rows($node, 'c.m', $stored += 2, "$catalog: what came meanwhile is stored");
	$hold->query_safe('COMMIT');
	$hold->quit;
	wait_for_rows($node, 'c.held', 2, "$catalog: and what waited");
	sql('TRUNCATE c.held');
	is(sql("SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_influx WHERE port IN ($port, $other)"),
		join(',', sort { $a <=> $b } $pid, $kept), "$catalog: by the same processes");
}
$session->quit;
like(log_of($node, $kept, 0), qr/LOG:  influx: a look at the catalog is put off: canceling statement due to lock timeout/, 'the log tells of looks that were put off');
is(sql("SELECT bool_and(lines = stored + rejected + waiting + lost_lines), sum(lost_lines), sum(rejected) FROM pg_stat_influx WHERE port IN ($port, $other)"),
	't|0|0', 'nothing is lost or refused');

# --- a supervised listener, and the extension -----------------------------------------------------

sql('CREATE SCHEMA d');
my $third = free_udp_port();
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('d', 'd', current_user, '$third')");
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $third", 'listening', 'another supervised listener');
my $supervised = sql("SELECT pid FROM pg_stat_influx WHERE port = $third");
sql('DROP SCHEMA d');
ends($supervised, $third, 'its schema was dropped', 'supervised');
wait_for_value($node, "SELECT state || ' ' || last_error FROM pg_stat_influx WHERE port = $third", 'failed schema "d" does not exist', 'the view shows why');
is(sql("SELECT restarts FROM pg_stat_influx WHERE port = $third"), '0', 'it is not started in vain');
my @all = ($pid, $kept);
sql('DROP EXTENSION influx');
ok(defined wait_gone($_), 'without the extension a listener ends') foreach @all;
ok(!is_bound($_), 'and its port is free') foreach $port, $other;
like(log_of($node, $pid, 0), qr/WARNING:  influx: the listener ends: its extension was dropped\n/, 'the log says why');

# One that is dropped and made again at once is another one.
create_database($node, 'second');
$pid = launch($node, $port, database => 'second');
sql('BEGIN; DROP EXTENSION influx; CREATE EXTENSION influx; COMMIT', 'second');
ok(defined wait_gone($pid), 'also where there is another one at once');
is(join(',', listeners($node)), '', 'no listener is left');

$node->stop;
unlike(log_since($node, 0), qr/PANIC|terminated by signal/, 'nothing crashed');
done_testing();
