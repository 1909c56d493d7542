# Who has an address and port: of all listeners of a server one, with as many processes as it likes. Others are
# refused it, or wait for it, whatever database, schema, role or precision they are of.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('endpoints', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres, one, copy'
influx.restart_time = 1s
max_worker_processes = 32
restart_after_crash = on
CONF

$node->safe_psql('postgres', <<'SQL');
CREATE ROLE victim LOGIN;
CREATE ROLE thief LOGIN;
CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
CREATE ROLE heir LOGIN IN ROLE victim;
CREATE SCHEMA house AUTHORIZATION victim;
CREATE SCHEMA den;
GRANT ALL ON SCHEMA house, den TO PUBLIC;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO PUBLIC;
SQL
create_database($node, 'other', 'ENCODING LATIN1 TEMPLATE template0');
$node->safe_psql('other', 'CREATE SCHEMA house; GRANT ALL ON SCHEMA house TO PUBLIC; '
	. 'GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO PUBLIC');

# What a launch is told; pid or error.
sub attempt
{
	my ($port, %options) = @_;
	my $database = $options{database} // 'postgres';
	my $role = $options{role} // 'victim';
	return error_of($node,
		sprintf("SELECT worker_launch('%s', %d, '%s')", $options{schema} // 'house', $port, $options{precision} // 'ns'),
		database => $database, connstr => $node->connstr($database) . " user=$role");
}

sub listening_on
{
	my ($port) = @_;
	return $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_influx WHERE port = $port AND state = 'listening'");
}

# --- Whatever tells a listener from another one keeps it away ---------------------------------------------------

my $port = free_udp_port();
my $victim = launch($node, $port, schema => 'house', role => 'victim');
my %cases = (
	role => { role => 'thief' },
	schema => { schema => 'den' },
	precision => { precision => 'ms' },
	database => { database => 'other' });
foreach my $case (sort keys %cases)
{
	my $error = attempt($port, %{ $cases{$case} });
	is($error->{sqlstate}, '55006', "another $case is refused the port");
}
my $hidden = attempt($port, role => 'thief');
is($hidden->{message}, "could not listen on 127.0.0.1:$port: a listener of another role has it", 'a stranger is not told whose it is');
is($hidden->{detail}, '', 'nor anything else');
is($hidden->{hint}, 'Choose another port or address.', 'but what to do');
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
foreach my $role (qw(victim heir watcher), $superuser)
{
	my $error = attempt($port, role => $role, schema => 'den');
	is($error->{message},
		"could not listen on 127.0.0.1:$port: a listener for schema \"house\" of database \"postgres\" has it",
		"$role is told whose it is");
	is($error->{detail}, qq{It stores in schema "house" as role "victim", with precision ns, and listens on 127.0.0.1:$port.},
		"$role is told more");
}
is(listening_on($port), 1, 'one process has the port');

# All that is sent comes to the one.
my @senders = map { udp($port) } 1 .. 40;
send_text($senders[ $_ % @senders ], "m n=${_}i") foreach 1 .. 200;
wait_for_value($node, 'SELECT count(*), count(DISTINCT n) FROM house.m', '200|200', 'no datagram goes astray');

# Processes of one listener share it.
my $second = launch($node, $port, schema => 'house', role => 'victim');
is(listening_on($port), 2, 'a listener can have two processes on the port');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($victim, 60000)");
is(attempt($port, role => 'thief')->{sqlstate}, '55006', 'as long as one of them is there, nobody else has it');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($second, 60000)");
my $next = launch($node, $port, schema => 'den', role => 'thief');
ok($next > 0, 'then another listener can have it');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($next, 60000)");

# --- Many at the same moment -------------------------------------------------------------------------------------

$node->safe_psql('postgres', join ' ', map { "CREATE SCHEMA racer_$_;" } 0 .. 7);
my $script = $node->basedir . '/race.sql';
foreach my $round (1 .. 3)
{
	my $raced = free_udp_port();
	open(my $file, '>', $script) or die $!;
	print {$file} "SELECT worker_launch(('racer_' || :client_id)::regnamespace, $raced);\n";
	close $file;
	# Those that are refused end their client, which is what the exit code tells of.
	my ($output, $errors) = run_command([ 'pgbench', '-n', '-c', 8, '-j', 4, '-t', 1, '-f', $script, $node->connstr('postgres') ]);
	is(listening_on($raced), 1, "round $round: of eight listeners one has the port");
	my $refused = () = $errors =~ /could not listen on/g;
	is($refused, 7, "round $round: the others are told");
}

# --- Overlaps, and listeners that wait ---------------------------------------------------------------------------

sub state_of
{
	my ($listener, $database) = @_;
	return "SELECT state FROM pg_stat_influx WHERE listener = '$listener'" . (defined $database ? " AND database = '$database'" : '');
}

my $shared = free_udp_port();
$node->safe_psql('postgres', "SELECT listener_create('loopback', 'house', $shared, role => 'victim')");
wait_for_value($node, state_of('loopback'), 'listening', 'a listener on the loopback');
# By hand: listener_create() would not take it.
$node->safe_psql('postgres',
	"INSERT INTO influx_listeners (name, schema, role, service, address) VALUES ('everywhere', 'den', 'thief', '$shared', '*')");
wait_for_value($node, state_of('everywhere'), 'failed', 'one on all addresses waits for it');
my $shown = $node->safe_psql('postgres',
	"SELECT last_error, last_error_sqlstate, addresses IS NULL FROM pg_stat_influx WHERE listener = 'everywhere'");
is($shown, "could not listen on 0.0.0.0:$shared: a listener of another role has it|55006|t", 'and shows why');
wait_for_value($node, "SELECT restarts > 1 FROM pg_stat_influx WHERE listener = 'everywhere'", 't', 'it is tried again');
$node->safe_psql('postgres', q{SELECT listener_stop('loopback')});
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE listener = 'loopback'}, 0, 'the other one ends');
$node->reload;    # which tries at once
wait_for_value($node, state_of('everywhere'), 'listening', 'and the one that has waited listens');
is(attempt($shared)->{sqlstate}, '55006', 'and then is the one that others are refused for');
$node->safe_psql('postgres', q{DELETE FROM influx_listeners});
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $shared", 0, 'both are gone');

# A database that was copied with its listeners.
my $copied = free_udp_port();
$node->safe_psql('postgres', 'CREATE DATABASE origin');
$node->safe_psql('origin', "CREATE EXTENSION influx; CREATE SCHEMA m; SELECT listener_create('copied', 'm', $copied)");
$node->safe_psql('postgres', 'CREATE DATABASE one TEMPLATE origin');
$node->reload;
wait_for_value($node, state_of('copied', 'one'), 'listening', 'the listener of a database');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE origin');
$node->reload;
wait_for_value($node, state_of('copied', 'copy'), 'failed', 'that of its copy waits');
is($node->safe_psql('postgres', q{SELECT last_error FROM pg_stat_influx WHERE database = 'copy'}),
	qq{could not listen on 127.0.0.1:$copied: listener "copied" of database "one" has it}, 'and tells for whom');
send_text(udp($copied), 'm n=1i');
wait_for_value($node, 'SELECT n FROM m.m', '1', 'the first one has what comes', 'one');
is($node->safe_psql('copy', q{SELECT to_regclass('m.m') IS NULL}), 't', 'the copy nothing of it');
$node->safe_psql('one', q{SELECT listener_stop('copied')});
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE database = 'one'}, 0, 'the first one is stopped');
$node->reload;
wait_for_value($node, state_of('copied', 'copy'), 'listening', 'the copy follows');

# --- A reload claims and gives up -------------------------------------------------------------------------------

my $moved = free_udp_port();
$node->safe_psql('postgres', <<"SQL");
SELECT listener_create('first', 'house', $moved, role => 'victim', address => '127.0.0.2');
SELECT listener_create('second', 'den', $moved, role => 'thief', address => '127.0.0.3');
SQL
wait_for_value($node, state_of('first'), 'listening', 'two listeners with one port');
wait_for_value($node, state_of('second'), 'listening', 'on two addresses');
my $offset = log_size($node);
$node->safe_psql('postgres', q{UPDATE influx_listeners SET address = '127.0.0.3' WHERE name = 'first'});
wait_for_log($node, qr/WARNING:  could not listen on 127.0.0.3:$moved/,
	$offset, 'one cannot move to where the other is');
is($node->safe_psql('postgres', q{SELECT addresses FROM pg_stat_influx WHERE listener = 'first'}), "{127.0.0.2:$moved}",
	'it stays where it was');
$node->safe_psql('postgres', q{UPDATE influx_listeners SET address = '127.0.0.4' WHERE name = 'second'});
my $places = "SELECT string_agg(listener || ' ' || addresses[1], ', ' ORDER BY listener) FROM pg_stat_influx WHERE port = $moved";
wait_for_value($node, $places, "first 127.0.0.2:$moved, second 127.0.0.4:$moved", 'the other one moves away');
$node->safe_psql('postgres', q{UPDATE influx_listeners SET batch_size = 17 WHERE name = 'first'});
wait_for_value($node, $places, "first 127.0.0.3:$moved, second 127.0.0.4:$moved", 'and has given its place up');

# --- No more addresses than there is room for -----------------------------------------------------------------

my $many = free_udp_port();
my $addresses = sub { join ', ', map { "127.0.1.$_" } 1 .. $_[0] };
my $error = error_of($node, sprintf("SELECT listener_create('wide', 'den', $many, address => '%s')", $addresses->(65)));
is($error->{sqlstate}, '53400', 'more than 64 addresses are refused');
is($error->{message}, 'a listener cannot listen on 65 addresses', 'with their number');
is($error->{detail}, 'It has 64 at most.', 'and the limit');
$node->safe_psql('postgres', sprintf("SELECT listener_create('wide', 'den', $many, address => '%s')", $addresses->(64)));
wait_for_value($node, state_of('wide'), 'listening', '64 can be had');
$node->safe_psql('postgres', q{UPDATE influx_listeners SET address = replace(address, '127.0.1.', '127.0.2.') WHERE name = 'wide'});
wait_for_value($node, q{SELECT addresses[1] FROM pg_stat_influx WHERE listener = 'wide'}, "127.0.2.1:$many", 'and changed for 64 others');

# --- A crash leaves nothing -------------------------------------------------------------------------------------

$node->safe_psql('postgres', 'DELETE FROM influx_listeners');
wait_for_value($node, "SELECT count(*) FROM pg_stat_influx WHERE port = $moved", 0, 'nobody has the port');
my $doomed = launch($node, $moved, schema => 'house');
configure($node, 'influx.restart_time' => -1);
kill 'KILL', $doomed;
ok(wait_gone($doomed), 'a listener is killed');
my $after = poll_until(sub { eval { launch($node, $moved, schema => 'den') } });
ok($after, 'its port is free when the server has recovered');

$node->stop;
done_testing();
