# Supervision: what runs is what the table influx_listeners says, after every change of it, and after every way
# in which a listener, its supervisor or the server ends.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::IP;
use Socket qw(SOCK_DGRAM);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('supervisor', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres, second, "not there"'
influx.restart_time = 1
influx.batch_timeout = '20ms'
restart_after_crash = on
max_prepared_transactions = 2
CONF

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

sub supervisor
{
	my ($database) = @_;
	my $query = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND datname = '"
	  . ($database // 'postgres') . "'";
	$node->poll_query_until('postgres', "SELECT EXISTS ($query)") or die 'there is no supervisor';
	return sql($query);
}

# What runs, as the table of listeners in shared memory has it.
sub shown_on
{
	my ($port) = @_;
	return "SELECT string_agg(schema || ' ' || role || ' ' || \"precision\" || ' ' || state, ', ') FROM pg_stat_influx WHERE port = $port";
}
sub pids_on { return split /\n/, sql("SELECT pid FROM pg_stat_influx WHERE port = $_[0] AND state = 'listening' ORDER BY pid"); }

sub all_listen
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, "SELECT count(*) FILTER (WHERE state = 'listening') || '/' || count(*) FROM pg_stat_influx",
		'4/4', "$name: all four processes listen, and no other");
}

my ($one, $two, $three) = map { free_udp_port() } 1 .. 3;
my %port = (one => $one, two => $two, three => $three);
sql(<<'SQL');
CREATE ROLE role_one LOGIN; CREATE ROLE role_two LOGIN; CREATE ROLE role_three LOGIN;
CREATE SCHEMA one AUTHORIZATION role_one; CREATE SCHEMA two AUTHORIZATION role_two;
CREATE SCHEMA three AUTHORIZATION role_three;
SQL

my $marks = 0;

# Sends from many source ports to each of the ports, and waits for every line.
sub stores
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	++$marks;
	foreach my $schema (sort keys %port)
	{
		send_text(udp($port{$schema}), "mark n=${marks}i,i=${_}i") foreach 1 .. 20;
		wait_for_value($node, "SELECT count(*) FROM $schema.mark WHERE n = $marks", '20', "$name: $schema stores");
	}
	return;
}

# --- at boot --------------------------------------------------------------------------------------

sql("INSERT INTO influx_listeners (name, schema, role, service, workers) VALUES "
	  . "('first', 'one', 'role_one', '$one', 2), ('b', 'two', 'role_two', '$two', 1), ('c', 'three', 'role_three', '$three', 1)");
all_listen('inserted');
stores('inserted');
is(sql("SELECT usename FROM pg_stat_activity WHERE pid = " . (pids_on($two))[0]), 'role_two', 'a listener is of its role');
is(sql("SELECT usesuper FROM pg_user WHERE usename = 'role_two'"), 'f', 'which is no superuser');
# One that begins, as for the database that is not there again and again, has one for a moment.
wait_for_value($node,
	"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)",
	'0', 'an idle supervisor has no transaction and no snapshot');
wait_for_log($node, qr/FATAL:  database "not there" does not exist/, 0, 'a database that is not there is told');
wait_for_log($node, qr/supervisor of database "not there" is started again in 1 s/, 0, 'and when it is tried again');

$node->restart;
all_listen('restarted');
stores('restarted');
is(sql("SELECT sum(lines) || ' ' || sum(stored) || ' ' || sum(rejected) || ' ' || sum(waiting) FROM pg_stat_influx WHERE port = $one"),
	'20 20 0 0', 'the counts of two processes add up');
is(scalar(pids_on($one)), 2, 'two processes share a port');

# --- changes --------------------------------------------------------------------------------------

my @before = pids_on($one);
my $untouched = (pids_on($three))[0];
sql("UPDATE influx_listeners SET batch_size = 7 WHERE name = 'first'");
sql("UPDATE influx_listeners SET address = '127.0.0.1', batch_timeout = '30ms', read_buffer = '64kB', allowed_sources = '127.0.0.1' WHERE name = 'b'");
my ($b) = pids_on($two);
wait_for_log($node, qr/\[$b\] LOG:  influx: taking datagrams of these sources only: 127\.0\.0\.1\n/, 0, 'overrides are taken while it runs');
wait_for_value($node, "SELECT application_name FROM pg_stat_activity WHERE pid = $b", "influx two 127.0.0.1:$two", 'the address too');
wait_for_log($node, qr/\[$b\] LOG:  influx: listening on 127\.0\.0\.1:$two with a read buffer of 64 kB/, 0, 'and the read buffer');
is_deeply([ pids_on($one) ], \@before, 'a change of batch_size ends no process');
is((pids_on($two))[0], $b, 'nor does one of the other overrides');
my $offset = log_size($node);
sql("UPDATE influx_listeners SET read_buffer = '128kB' WHERE name = 'b'");
wait_for_log($node, qr/\[$b\] LOG:  influx: listening on 127\.0\.0\.1:$two with a read buffer of 128 kB/, $offset, 'an override is changed');
$offset = log_size($node);
sql("UPDATE influx_listeners SET address = NULL, read_buffer = NULL, allowed_sources = NULL, batch_timeout = NULL WHERE name = 'b'");
wait_for_value($node, "SELECT application_name FROM pg_stat_activity WHERE pid = $b", "influx two 127.0.0.1:$two, [::1]:$two",
	'without override the setting counts again');
stores('overrides');

sql("UPDATE influx_listeners SET workers = 3 WHERE name = 'first'");
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $one AND state = 'listening'", '3', 'workers: one more');
sql("UPDATE influx_listeners SET workers = 2 WHERE name = 'first'");
all_listen('workers: one less');
is_deeply([ pids_on($one) ], \@before, 'workers: the first two went on');

my $elsewhere = free_udp_port();
sql("UPDATE influx_listeners SET service = '$elsewhere', \"precision\" = 'ms' WHERE name = 'b'");
wait_for_value($node, shown_on($elsewhere), 'two role_two ms listening', 'service and precision');
sql('GRANT USAGE, CREATE ON SCHEMA one TO role_three');
sql("UPDATE influx_listeners SET schema = 'one', role = 'role_three' WHERE name = 'b'");
wait_for_value($node, shown_on($elsewhere), 'one role_three ms listening', 'schema and role');
sql("UPDATE influx_listeners SET schema = 'two', role = 'role_two', service = '$two', \"precision\" = 'ns' WHERE name = 'b'");
wait_for_value($node, shown_on($two), 'two role_two ns listening', 'and back');
sql("UPDATE influx_listeners SET enabled = false WHERE name = 'b'");
wait_for_value($node, shown_on($two), '', 'not enabled: it is gone');
sql("UPDATE influx_listeners SET enabled = true WHERE name = 'b'");
all_listen('enabled');
sql("UPDATE influx_listeners SET name = 'a' WHERE name = 'first'");
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $one AND state = 'listening' AND pid NOT IN ($before[0], $before[1])",
	'2', 'name: other processes');
all_listen('name');
stores('all columns changed');
is((pids_on($three))[0], $untouched, 'a listener whose row was not changed went on');

# --- ends -----------------------------------------------------------------------------------------

foreach my $pid (map { pids_on($_) } $one, $two, $three)
{
	sql("SELECT pg_terminate_backend($pid)");
	ok(defined wait_gone($pid), 'terminated: it ends');
	all_listen('terminated');
}
stores('terminated');

my $supervisor = supervisor();
my @listeners = listeners($node);
sql("SELECT pg_terminate_backend($supervisor)");
ok(defined wait_gone($supervisor), 'supervisor terminated: it ends');
wait_for_value($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'influx supervisor' AND pid <> $supervisor", '1',
	'supervisor terminated: another one comes');
is_deeply([ listeners($node) ], \@listeners, 'supervisor terminated: the listeners went on');
sql("SELECT pg_terminate_backend($listeners[0])");
wait_gone($listeners[0]);
all_listen('a listener of the supervisor before is terminated');
stores('a listener of the supervisor before is terminated');

foreach my $victim ('a listener', 'the supervisor')
{
	my $pid = $victim eq 'a listener' ? (listeners($node))[0] : supervisor();
	$offset = log_size($node);
	kill 'KILL', $pid;
	wait_for_log($node, qr/database system is ready to accept connections/, $offset, "$victim killed: the server has reset itself");
	all_listen("$victim killed");
	is(listener_count($node), 4, "$victim killed: nothing runs twice");
	stores("$victim killed");
}

# --- failures -------------------------------------------------------------------------------------

my $taken = free_udp_port();
my $thief = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $taken) or die "bind: $@";
sql("CREATE ROLE no_rights LOGIN; CREATE SCHEMA late");
sub reason_on { return "SELECT format('%s: %s (SQLSTATE %s)', state, last_error, last_error_sqlstate) FROM pg_stat_influx WHERE port = $_[0]"; }
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('d', 'one', 'role_one', '$taken')");
wait_for_value($node, "SELECT (" . reason_on($taken) . ") LIKE 'failed: could not bind UDP socket to 127.0.0.1:$taken: address already in use%(SQLSTATE 55006)'",
	't', 'a port that is taken is told');
close $thief;
wait_for_value($node, shown_on($taken), 'one role_one ns listening', 'and tried again');
sql("UPDATE influx_listeners SET schema = 'late', role = 'no_rights' WHERE name = 'd'");
wait_for_value($node, reason_on($taken), 'failed: permission denied for schema late (SQLSTATE 42501)', 'a role without rights is told');
sql('GRANT USAGE ON SCHEMA late TO no_rights');
sql("UPDATE influx_listeners SET workers = workers WHERE name = 'd'");
wait_for_value($node, shown_on($taken), 'late no_rights ns listening', 'and comes up when the table is touched');
sql("UPDATE influx_listeners SET role = 'nobody there' WHERE name = 'd'");
wait_for_value($node, reason_on($taken), 'failed: role "nobody there" does not exist (SQLSTATE 42704)', 'a role that is not there is told');
sql("UPDATE influx_listeners SET role = 'no_rights', schema = 'no such' WHERE name = 'd'");
wait_for_value($node, reason_on($taken), 'failed: schema "no such" does not exist (SQLSTATE 3F000)', 'and a schema');
sql('ALTER ROLE no_rights NOLOGIN');
sql("UPDATE influx_listeners SET schema = 'late' WHERE name = 'd'");
wait_for_value($node, reason_on($taken), 'failed: role "no_rights" is not permitted to log in (SQLSTATE 28000)', 'and a role that cannot log in');
sql('ALTER ROLE no_rights LOGIN');
sql('SELECT pg_reload_conf()');
wait_for_value($node, shown_on($taken), 'late no_rights ns listening', 'a reload tries again');

# Who owns the table gains nobody's rights by it.
sql('CREATE ROLE keeper; ALTER TABLE influx_listeners OWNER TO keeper; GRANT role_one TO keeper');
sql("UPDATE influx_listeners SET role = 'postgres' WHERE name = 'd'");
wait_for_value($node, reason_on($taken),
	'failed: the owner of table "influx_listeners" may not SET ROLE to "postgres" (SQLSTATE 42501)', 'an owner who is no superuser has no listener that is');
sql('ALTER TABLE influx_listeners OWNER TO postgres');
sql("DELETE FROM influx_listeners WHERE name = 'd'");
all_listen('deleted');

# No worker slot is left. A superuser's listener is bound by nothing else.
sql("INSERT INTO influx_listeners (name, schema, role, service, workers) VALUES ('d', 'one', 'postgres', '$taken', 20)");
wait_for_value($node, "SELECT count(*) > 0 FROM pg_stat_influx WHERE state = 'failed' AND last_error LIKE 'no background worker slot is free%'",
	't', 'where no slot is free, it is told');
sql("UPDATE influx_listeners SET workers = 1 WHERE name = 'd'");
wait_for_value($node, shown_on($taken), 'one postgres ns listening', 'the others are gone');
sql("DELETE FROM influx_listeners WHERE name = 'd'");
all_listen('slots');

# With -1 what has failed stays down until the table is changed.
configure($node, 'influx.restart_time' => '-1');
$thief = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $taken) or die "bind: $@";
$offset = log_size($node);
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('d', 'one', 'role_one', '$taken')");
wait_for_log($node, qr/listener for schema "one" on port $taken is not started again/, $offset, 'restart_time -1: it stays down');
close $thief;
sql("UPDATE influx_listeners SET workers = workers WHERE name = 'd'");
wait_for_value($node, shown_on($taken), 'one role_one ns listening', 'restart_time -1: a change starts it');
sql("DELETE FROM influx_listeners WHERE name = 'd'");
configure($node, 'influx.restart_time' => '1');
all_listen('restart_time back');

# --- the extension, and other databases -----------------------------------------------------------

my $rows = sql('SELECT string_agg(format($$(%L,%L,%L,%L,%s)$$, name, schema, role, service, workers), $$,$$) FROM influx_listeners');
my @gone = listeners($node);
sql('DROP EXTENSION influx');
ok(defined wait_gone($_), 'DROP EXTENSION ends a listener') foreach @gone;
sql('CREATE SCHEMA elsewhere; CREATE EXTENSION influx SCHEMA elsewhere');
sql("INSERT INTO elsewhere.influx_listeners (name, schema, role, service, workers) VALUES $rows");
$node->poll_query_until('postgres', "SELECT count(*) = 4 FROM elsewhere.pg_stat_influx WHERE state = 'listening'") or die 'no listeners';
pass('CREATE EXTENSION, in another schema');
my (undef, undef, $errors) = $node->psql('postgres',
	"BEGIN; ALTER TABLE elsewhere.influx_listeners RENAME TO renamed; PREPARE TRANSACTION 'p'");
like($errors, qr/cannot prepare a transaction that has changed influx_listeners/, 'no two-phase commit');
sql('DROP EXTENSION influx; CREATE EXTENSION influx');

create_database($node, 'second');
$node->reload;    # what waits for a database looks again
my $there = free_udp_port();
supervisor('second');
sql("INSERT INTO influx_listeners (name, schema, role, service) VALUES ('s', 'public', 'postgres', '$there')", 'second');
wait_for_value($node, "SELECT database || ' ' || state FROM pg_stat_influx WHERE port = $there", 'second listening', 'another database');
sql('DROP DATABASE second WITH (FORCE)');
wait_for_value($node, 'SELECT count(*) FROM pg_stat_influx', '0', 'its listeners are forgotten with it');

# --- the end --------------------------------------------------------------------------------------

sql("INSERT INTO influx_listeners (name, schema, role, service, workers) VALUES $rows");
all_listen('before the end');
my @senders = map { my $to = $_; start_sender(port => $to, rate => 5_000, line => sub { "loaded n=$_[0]i" }) } values %port;
wait_for_value($node, 'SELECT count(*) > 500 FROM one.loaded', 't', 'load comes in');
$offset = log_size($node);
my $begin = now_seconds();
$node->stop('fast');
cmp_ok(now_seconds() - $begin, '<', 10, 'a fast shutdown under load is quick');
unlike(log_since($node, $offset), qr/influx: listening on|supervising the listeners/, 'and starts nothing');
stop_sender($_) foreach @senders;

done_testing();
