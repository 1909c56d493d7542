# Launches that fail: each cause has its own message and SQLSTATE, and says what to do about it; no worker
# is left behind; and once the cause is gone the same launch works.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::IP;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;

# A standby at the end needs WAL of this level from the beginning.
my $node = new_node('launch_errors', "wal_level = replica\nhot_standby = on\n");
my $dbh_user = sub { return $node->connstr('postgres') . " user=$_[0]" };

sub fails
{
	my ($name, $error, %expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $name => sub {
		isnt($error->{status}, 0, 'the launch fails');
		is($error->{sqlstate}, $expected{sqlstate}, 'SQLSTATE');
		like($error->{message}, $expected{message}, 'message');
		like($error->{hint}, $expected{hint}, 'hint') if defined $expected{hint};
		is(listener_count($node), 0, 'no worker is left');
	};
	return;
}

# Launches, shows that the worker stores, and stops it.
sub works
{
	my ($name, $port, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $schema = $options{schema} // 'public';
	my $pid = eval { launch($node, $port, %options) };
	ok($pid, "$name: launching works then") or return diag($@);
	send_text(udp($port), 'after v=1i');
	wait_for_rows($node, "$schema.after", 1, "$name: and the worker stores");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000); DROP TABLE $schema.after");
	ok(defined wait_gone($pid), "$name: and can be stopped");
	return;
}

# A port that another program has, without sharing it.
my $port = free_udp_port();
foreach my $host ('127.0.0.1', '::1')
{
	my $taken = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => $host, LocalPort => $port)
	  or die "could not bind: $@";
	fails(
		"port taken on $host",
		error_of($node, "SELECT worker_launch('public', $port)"),
		sqlstate => '55006',
		message => qr/could not bind UDP socket to \Q$host\E:$port|could not bind UDP socket to \[\Q$host\E\]:$port/,
		hint => qr/another program/i);
	close $taken;
}
works('port taken', $port);

# Names that mean nothing.
fails(
	'unknown schema',
	error_of($node, "SELECT worker_launch('nowhere', $port)"),
	sqlstate => '3F000',
	message => qr/schema "nowhere" does not exist/);
fails(
	'schema given by an OID that is none',
	error_of($node, "SELECT worker_launch(4294967295::oid::regnamespace, $port)"),
	sqlstate => '3F000',
	message => qr/schema with OID 4294967295 does not exist/,
	hint => qr/create the schema/i);
$node->safe_psql('postgres', 'CREATE SCHEMA nowhere');
works('unknown schema', $port, schema => 'nowhere');

fails(
	'unknown service',
	error_of($node, "SELECT worker_launch('public', 'no-such-service')"),
	sqlstate => '22023',
	message => qr/could not resolve UDP service "no-such-service"/,
	hint => qr/port number/);
foreach my $number (0, -1, 65536)
{
	fails(
		"port $number",
		error_of($node, "SELECT worker_launch('public', $number)"),
		sqlstate => '22023',
		message => qr/could not resolve UDP service "$number"/,
		hint => qr/1 to 65535/);
}
fails(
	'unknown precision',
	error_of($node, "SELECT worker_launch('public', $port, 'days')"),
	sqlstate => '22023',
	message => qr/unknown precision "days"/,
	hint => qr/ns, us, ms/);

# A role without the rights.
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; CREATE SCHEMA closed');
fails(
	'no EXECUTE',
	error_of($node, "SELECT worker_launch('closed', $port)", connstr => $dbh_user->('plain')),
	sqlstate => '42501',
	message => qr/permission denied for function worker_launch/);
$node->safe_psql('postgres', <<'SQL');
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO plain;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, text, text) TO plain;
SQL
fails(
	'EXECUTE, and no USAGE on the schema',
	error_of($node, "SELECT worker_launch('closed', $port)", connstr => $dbh_user->('plain')),
	sqlstate => '42501',
	message => qr/permission denied for schema closed/,
	hint => qr/GRANT USAGE/i);
$node->safe_psql('postgres', 'GRANT USAGE, CREATE ON SCHEMA closed TO plain');
works('role without rights', $port, schema => 'closed', role => 'plain');

# A role that cannot log in.
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE group_only NOLOGIN;
GRANT USAGE, CREATE ON SCHEMA closed TO group_only;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO group_only;
SQL
fails(
	'NOLOGIN role',
	error_of($node, "SET ROLE group_only; SELECT worker_launch('closed', $port)"),
	sqlstate => '28000',
	message => qr/role "group_only" is not permitted to log in/,
	hint => qr/LOGIN/);
$node->safe_psql('postgres', 'ALTER ROLE group_only LOGIN');
works('NOLOGIN role', $port, schema => 'closed', role => 'group_only');

# A schema that no other session can see yet.
fails(
	'schema made in the same transaction',
	error_of($node, "BEGIN; CREATE SCHEMA unseen; SELECT worker_launch('unseen', $port); COMMIT;"),
	sqlstate => '3F000',
	message => qr/schema .* does not exist/,
	hint => qr/commit/i);
$node->safe_psql('postgres', 'CREATE SCHEMA unseen');
works('schema made in the same transaction', $port, schema => 'unseen');

# What the server itself refuses while the worker connects. The session of the launcher was there before.
$node->safe_psql('postgres', 'GRANT CREATE ON SCHEMA public TO plain');
my $session = $node->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-v', 'VERBOSITY=verbose', '-U', 'plain' ]);
is($session->query('SELECT current_user'), 'plain', 'a session of the role');

sub launch_in_session
{
	my $pid = $session->query("SELECT worker_launch('public', $port)");
	my $errors = $session->{stderr};
	$session->{stderr} = '';
	return ($pid, $errors);
}

$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC');
my ($pid, $errors) = launch_in_session();
like(
	$errors,
	qr/ERROR:  42501: permission denied for database "postgres"\nDETAIL:  User does not have CONNECT privilege/,
	'no right to connect: message, detail and SQLSTATE');
is(listener_count($node), 0, 'no right to connect: no worker is left');
is($session->query('SELECT 1'), '1', 'no right to connect: the session goes on');
$node->safe_psql('postgres', 'GRANT CONNECT ON DATABASE postgres TO PUBLIC');
works('no right to connect', $port, role => 'plain');

# A limit of connections that is reached. Servers since the minor releases of February 2025 exempt
# background workers; older ones refuse.
foreach my $limited ([ role => 'ROLE plain' ], [ database => 'DATABASE postgres' ])
{
	my ($kind, $object) = @$limited;
	$node->safe_psql('postgres', "ALTER $object CONNECTION LIMIT 0");
	($pid, $errors) = launch_in_session();
	if ($errors eq '')
	{
		like($pid, qr/^[1-9]\d*$/, "connection limit of the $kind: the worker is exempt");
		is(join(',', listeners($node)), $pid, "connection limit of the $kind: it listens");
		$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
		ok(defined wait_gone($pid), "connection limit of the $kind: and ends");
	}
	else
	{
		like($errors, qr/ERROR:  53300: too many connections for $kind/,
			"connection limit of the $kind: message and SQLSTATE");
		is(listener_count($node), 0, "connection limit of the $kind: no worker is left");
	}
	$node->safe_psql('postgres', "ALTER $object CONNECTION LIMIT -1");
	works("connection limit of the $kind", $port, role => 'plain');
}
$session->quit;

# The caller can handle the error, and go on in its transaction.
my $taken = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $port);
$node->safe_psql('postgres', <<SQL);
CREATE TABLE outcome (sqlstate text, message text, hint text);
DO \$\$
DECLARE
  sqlstate_found text; message_found text; hint_found text;
BEGIN
  PERFORM worker_launch('public', $port);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS sqlstate_found = RETURNED_SQLSTATE, message_found = MESSAGE_TEXT,
    hint_found = PG_EXCEPTION_HINT;
  INSERT INTO outcome VALUES (sqlstate_found, message_found, hint_found);
END
\$\$;
SQL
close $taken;
is( $node->safe_psql('postgres', "SELECT sqlstate, hint <> '' FROM outcome"),
	'55006|t', 'the error can be caught');
like(
	$node->safe_psql('postgres', 'SELECT message FROM outcome'),
	qr/127\.0\.0\.1:$port: address already in use/,
	'and says which address, and why');

# The reason reaches the caller whatever goes to the server log.
configure($node, log_min_messages => 'panic');
$taken = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $port);
fails(
	'the reason does not depend on log_min_messages',
	error_of($node, "SELECT worker_launch('public', $port)"),
	sqlstate => '55006',
	message => qr/could not bind UDP socket/,
	hint => qr/another program/i);
close $taken;
configure($node, log_min_messages => undef);

# No slot for a worker. The logical replication launcher would take one.
$node->append_conf('postgresql.conf', <<'CONF');
max_worker_processes = 1
max_logical_replication_workers = 0
max_parallel_workers = 0
CONF
$node->restart;
my $other = free_udp_port();
my $only = launch($node, $other);
my $error = error_of($node, "SELECT worker_launch('public', $port)");
is($error->{sqlstate}, '53400', 'no free slot: SQLSTATE');
like($error->{message}, qr/no background worker slot is free/, 'no free slot: message');
like($error->{hint}, qr/max_worker_processes/, 'no free slot: hint');
is(join(',', listeners($node)), $only, 'no free slot: the one that runs goes on, and no other is there');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($only, 60000)");
ok(defined wait_gone($only), 'no free slot: the one ends');
# The slot is free when the postmaster has seen the end of the process, a moment after.
$pid = poll_until(sub { eval { launch($node, $port) } });
ok($pid, 'no free slot: launching works then');
is(listener_count($node), 1, 'no free slot: there is one listener');

# During recovery.
$node->stop;
$node->set_standby_mode;
$node->start;
$error = error_of($node, "SELECT worker_launch('public', $port)");
is($error->{sqlstate}, '25006', 'in recovery: SQLSTATE');
like($error->{message}, qr/recovery/, 'in recovery: message');
like($error->{hint}, qr/promoted/, 'in recovery: hint');
is(listener_count($node), 0, 'in recovery: no worker is left');
$node->promote;
works('in recovery', $port);

done_testing();
