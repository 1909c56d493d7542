# What must not bring down a supervisor, hinder other listeners, or leave something behind: a locked table, rows
# that cannot work, more of them than there is room for, roles that change, supervisors that end at any moment,
# and a listener that crashes the server again and again.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('faults', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres'
influx.restart_time = 1
influx.batch_timeout = '20ms'
restart_after_crash = on
lock_timeout = '500ms'
log_lock_waits = on
CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub supervisor { return sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'influx supervisor'}); }

# A listener as the view shows it: state, and why.
sub shown_of
{
	my ($listener) = @_;
	return "SELECT DISTINCT concat_ws(': ', state, CASE state WHEN 'failed' THEN format('%s (%s)', last_error, last_error_sqlstate) END)"
	  . " FROM pg_stat_influx WHERE listener = '$listener'";
}

sub pid_of { return sql("SELECT pid FROM pg_stat_influx WHERE listener = '$_[0]' AND state = 'listening'"); }

# A listener that works, to see that it is not hindered.
my ($port, $other) = (free_udp_port(), free_udp_port());
sql('CREATE ROLE gardener LOGIN; CREATE SCHEMA garden AUTHORIZATION gardener');
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('well', 'garden', 'gardener', '$port')");
wait_for_value($node, shown_of('well'), 'listening', 'a listener is there');
my $well = pid_of('well');
my $sent = 0;

sub goes_on
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(pid_of('well'), $well, "$name: the listener that works goes on");
	send_text(udp($port), 'mark n=' . ++$sent . 'i');
	return wait_for_rows($node, 'garden.mark', $sent, "$name: and stores");
}

# --- the table is locked --------------------------------------------------------------------------

my $supervisor = supervisor();
my $lock = $node->background_psql('postgres');
my $waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'influx_listeners'::regclass AND pid = $supervisor";
my $offset = log_size($node);
$lock->query_safe('BEGIN; LOCK influx_listeners');
$node->reload;
wait_for_reload($node, $offset, $well);
wait_for_value($node, $waits, '1', 'locked: the supervisor waits');
goes_on('locked, and reloaded');
# It has waited for longer than lock_timeout when the server tells so.
wait_for_log($node, qr/\[$supervisor\] LOG:  process $supervisor still waiting for AccessShareLock/, $offset, 'locked: for long');
sql("SELECT pg_terminate_backend($well)");
ok(defined wait_gone($well), 'locked: a listener ends');
$lock->query_safe("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('late', 'garden', 'gardener', '$other')");
$lock->query_safe("UPDATE influx_listeners SET batch_size = 7 WHERE name = 'well'");
$lock->query_safe('COMMIT');
wait_for_value($node, shown_of('well'), 'listening', 'lock released: the listener is there again');
wait_for_value($node, shown_of('late'), 'listening', 'lock released: the new one too');
is(supervisor(), $supervisor, 'the supervisor is the same');
unlike(log_since($node, $offset), qr/\[$supervisor\] ERROR|supervisor of database "postgres" is started again/, 'and had no error');
$well = pid_of('well');

# A listener that is told to reload behind a lock takes its overrides when the lock is gone.
$offset = log_size($node);
$lock->query_safe("BEGIN; UPDATE influx_listeners SET read_buffer = '64kB' WHERE name = 'well'; LOCK influx_listeners");
kill 'HUP', $well;
wait_for_reload($node, $offset, $well);
wait_for_value($node, $waits, '1', 'it leaves that to the supervisor');
$lock->query_safe('COMMIT');
wait_for_log($node, qr/\[$well\] LOG:  influx: listening on 127\.0\.0\.1:$port with a read buffer of 64 kB/, $offset, 'and is told');
$lock->quit;
goes_on('after locks');

# --- rows that cannot work ------------------------------------------------------------------------

foreach my $case (
	[ 'an address of no machine', q{address = '192.0.2.1'}, qr/^failed: could not bind UDP socket to 192\.0\.2\.1:$other: .* \(58000\)$/ ],
	[ 'no address',               q{address = '[::g]'},     qr/^failed: could not resolve address "\[::g\]" to listen on: .* \(58000\)$/ ],
	[ 'no list of addresses',     q{address = 'a,,b'},      qr/^failed: invalid value for parameter "influx\.listen_addresses": "a,,b" \(22023\)$/ ],
	[ 'no time',                  q{batch_timeout = 'soon'}, qr/^failed: invalid value for parameter "influx\.batch_timeout": "soon" \(22023\)$/ ],
	[ 'too large a buffer',       q{read_buffer = '1PB'},   qr/^failed: .*"influx\.read_buffer".* \(22023\)$/ ],
	[ 'no list of sources',       q{allowed_sources = 'localhost'}, qr/^failed: invalid value for parameter "influx\.allowed_sources": "localhost" \(22023\)$/ ],
	[ 'no service',               q{service = 'no-such-service-of-influx'}, qr/^failed: could not resolve UDP service "no-such-service-of-influx": .* \(22023\)$/ ],
	[ 'no schema',                q{schema = 'nowhere'},    qr/^failed: schema "nowhere" does not exist \(3F000\)$/ ],
	[ 'no role',                  q{role = 'nobody'},       qr/^failed: role "nobody" does not exist \(42704\)$/ ])
{
	my ($name, $wrong, $expected) = @$case;
	sql("DELETE FROM influx_listeners WHERE name = 'late'");
	wait_for_value($node, shown_of('late'), '', "$name: before, it is gone");
	# In one transaction: a listener that has been there would go on with what was before.
	sql("BEGIN; INSERT INTO influx_listeners (name, schema, role, service) VALUES ('late', 'garden', 'gardener', '$other');"
		  . "UPDATE influx_listeners SET $wrong WHERE name = 'late'; COMMIT");
	# It is tried again, and is starting then; so what is shown is looked at when it has failed.
	my $shown = '';
	poll_until(sub { $shown = sql(shown_of('late')); $shown =~ /^failed: / });
	like($shown, $expected, "$name: it fails, and the view tells why");
}
wait_for_log($node, qr/HINT:  Check the addresses of the listener: this machine does not have the address\./, 0,
	'the log tells where to look');
goes_on('rows that cannot work');

# While it listens, a value that is not valid leaves the one before; it is shown.
sql("UPDATE influx_listeners SET role = 'gardener' WHERE name = 'late'");
wait_for_value($node, shown_of('late'), 'listening', 'mended: it listens');
my $late = pid_of('late');
sql("UPDATE influx_listeners SET allowed_sources = 'localhost' WHERE name = 'late'");
wait_for_value($node, q{SELECT last_error FROM pg_stat_influx WHERE listener = 'late'},
	'invalid value for parameter "influx.allowed_sources": "localhost"', 'a value that is not valid is shown');
is(pid_of('late'), $late, 'and ends no process');
sql("UPDATE influx_listeners SET allowed_sources = NULL WHERE name = 'late'");

# --- roles ----------------------------------------------------------------------------------------

sql("CREATE ROLE passing LOGIN; GRANT USAGE ON SCHEMA garden TO passing; UPDATE influx_listeners SET role = 'passing' WHERE name = 'late'");
wait_for_value($node, "SELECT role || ' ' || state FROM pg_stat_influx WHERE listener = 'late'", 'passing listening', 'another role');
sql('DROP OWNED BY passing; DROP ROLE passing');
wait_for_value($node, shown_of('late'), 'failed: role "passing" does not exist (42704)', 'its role is dropped: it ends');
sql('CREATE ROLE passing LOGIN; GRANT USAGE ON SCHEMA garden TO passing');
$node->reload;
wait_for_value($node, "SELECT role || ' ' || state FROM pg_stat_influx WHERE listener = 'late'", 'passing listening', 'and made again');
sql('ALTER ROLE passing RENAME TO passed');
is(sql("SELECT role FROM pg_stat_influx WHERE listener = 'late'"), 'passed', 'its role is renamed: it goes on for now');
$node->reload;
wait_for_value($node, shown_of('late'), 'failed: role "passing" does not exist (42704)', 'until the table is read, which names another');
sql(q{UPDATE influx_listeners SET role = 'passed' WHERE name = 'late'});
wait_for_value($node, shown_of('late'), 'listening', 'by its new name it is there again');
goes_on('roles that change');

# --- supervisors that end -------------------------------------------------------------------------

# At any moment of a change: what was begun is finished by the next one, and nothing is left behind.
foreach my $turn (1 .. 6)
{
	my $workers = 1 + $turn % 4;
	sql("UPDATE influx_listeners SET workers = $workers WHERE name = 'late'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'influx supervisor'");
	$node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'influx supervisor'})
	  or die 'there is no supervisor';
	wait_for_value($node, q{SELECT count(*) FILTER (WHERE state = 'listening') || '/' || count(*) FROM pg_stat_influx WHERE listener = 'late'},
		"$workers/$workers", "supervisor ended: $workers processes, and as many entries");
}
is(listener_count($node), sql('SELECT count(*) FROM pg_stat_influx'), 'every entry has its process');
goes_on('supervisors that end');

# --- more than there is room for ------------------------------------------------------------------

# 16 worker slots, and 128 entries beyond them for what has none.
$offset = log_size($node);
sql("INSERT INTO influx_listeners (name, schema, role, service, workers) SELECT 'many ' || i, 'garden', 'gardener', 20000 + i, 16 FROM generate_series(1, 10) i");
wait_for_log($node, qr/WARNING:  influx: listener "many \d+" has too many processes: the table of listeners is full/, $offset, 'a full table is told');
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', '144', 'and shown as far as there is room');
goes_on('a full table');
my $full = () = log_since($node, $offset) =~ /the table of listeners is full/g;
is($full, 1, 'and is told once');
sql("DELETE FROM influx_listeners WHERE name LIKE 'many %'; UPDATE influx_listeners SET workers = 1 WHERE name = 'late'");
wait_for_value($node, q{SELECT string_agg(listener || ' ' || state, ', ' ORDER BY listener) FROM pg_stat_influx}, 'late listening, well listening',
	'room is made again');
goes_on('room');

# --- crashes --------------------------------------------------------------------------------------

# One after the other: each time the users have the server for themselves for longer.
foreach my $pause (1, 2, 4)
{
	$offset = log_size($node);
	my $victim = pid_of('late');
	kill 'KILL', $victim;
	wait_for_log($node, qr/LOG:  influx: listeners of database "postgres" are started in $pause s, after a crash of the server\n/,
		$offset, "crashed: listeners are started in $pause s");
	my $begin = now_seconds();
	wait_for_value($node, shown_of('late'), 'listening', 'and are there again');
	cmp_ok(now_seconds() - $begin, '>', $pause - 0.5, 'not before');
}
$offset = log_size($node);
kill 'KILL', pid_of('late');
wait_for_log($node, qr/are started in 8 s/, $offset, 'the next pause is long');
my $begin = now_seconds();
sql(q{UPDATE influx_listeners SET workers = workers});
wait_for_value($node, shown_of('late'), 'listening', 'a change of the table ends the pause');
cmp_ok(now_seconds() - $begin, '<', 6, 'at once');
$node->stop('fast');

done_testing();
