# Names of addresses, and a name server that does not answer: they are asked for where a setting has changed, and who
# waits for an answer holds up nothing.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $shim = PostgreSQL::Test::Utils::tempdir() . '/name_server.so';
system_or_bail('cc', '-O2', '-Wall', '-shared', '-fPIC', '-o', $shim, "$FindBin::RealBin/preload/name_server.c", '-ldl');
my $names = PostgreSQL::Test::Utils::tempdir();
sub answer
{
	my ($name, $address) = @_;
	append_to_file("$names/$name.new", "$address\n");
	rename "$names/$name.new", "$names/$name" or die $!;
	return;
}
sub asked
{
	my ($name) = @_;
	my $all = -f "$names/asked" ? slurp_file("$names/asked") : '';
	my $count = () = $all =~ /^\Q$name\E$/mg;
	return $count;
}

my $node;
{
	local $ENV{LD_PRELOAD} = $shim;
	local $ENV{INFLUX_TEST_NAMES} = $names;
	$node = new_node('names', "shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\ninflux.restart_time = 1s\n"
		. "influx.listen_addresses = '127.0.0.1'\n");
}
$node->safe_psql('postgres', 'CREATE SCHEMA m');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'm');
my $socket = udp($port);
my $sent = 0;
sub stores
{
	my ($name) = @_;
	++$sent;
	send_text($socket, "m n=${sent}i");
	return wait_for_value($node, 'SELECT count(*) FROM m.m', $sent, "$name: the listener stores");
}
stores('at first');
my $addresses = "SELECT addresses FROM pg_stat_influx WHERE pid = $pid";

# --- A reload, and nobody answers -------------------------------------------------------------------------------

configure($node, 'influx.listen_addresses' => q{'127.0.0.1, moved.test'});
ok(poll_until(sub { asked('moved.test') }), 'a name of the setting is asked for');
stores('without an answer');
is($node->safe_psql('postgres', $addresses), "{127.0.0.1:$port}", 'it listens where it did');
configure($node, 'influx.batch_timeout' => 50);
stores('after another reload');
is(asked('moved.test'), 1, 'which does not ask again');
answer('moved.test', '127.0.0.2');
wait_for_value($node, $addresses, "{127.0.0.1:$port,127.0.0.2:$port}", 'with the answer it listens there too');
send_text(udp($port, '127.0.0.2'), "m n=0i");
wait_for_value($node, 'SELECT count(*) FROM m.m WHERE n = 0', 1, 'and stores what comes');
++$sent;
configure($node, 'influx.batch_timeout' => 60) foreach 1 .. 3;
is(asked('moved.test'), 1, 'reloads that leave the setting do not ask');
is($node->safe_psql('postgres', $addresses), "{127.0.0.1:$port,127.0.0.2:$port}", 'nor change anything');

# A name that means nothing.
my $offset = log_size($node);
answer('nobody.test', 'none');
configure($node, 'influx.listen_addresses' => q{'127.0.0.1, nobody.test'});
wait_for_log($node, qr/WARNING:  could not resolve address "nobody.test" to listen on: /, $offset, 'a name that is none is told of');
is($node->safe_psql('postgres', $addresses), "{127.0.0.1:$port,127.0.0.2:$port}", 'it stays where it was');
my $before = asked('nobody.test');
configure($node, 'influx.batch_timeout' => 50);
ok(poll_until(sub { asked('nobody.test') > $before }), 'the next reload asks for it again');
stores('all the time');

# --- Who starts, and nobody answers -----------------------------------------------------------------------------

configure($node, 'influx.listen_addresses' => q{'silent.test'});
ok(poll_until(sub { asked('silent.test') }), 'a name that nobody answers for');
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $other = free_udp_port();
$session->query_until(qr/begun/, "\\echo begun\nSELECT worker_launch('m', $other);\n");
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $other", 'starting', 'a launch waits for the answer');
ok(poll_until(sub { asked('silent.test') >= 2 }), 'which its process has asked for');
my $starting = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_influx WHERE port = $other");
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT worker_launch%' AND pid <> pg_backend_pid()});
ok(defined wait_gone($starting), 'a cancel of the launch ends it');
$session->quit;

# What asks in a session can be cancelled as well.
my @calls = (
	'CALL send_packet(\'m n=1i\', 1, \'nowhere.test\')',
	"SELECT listener_create('named', 'm', $other, address => 'elsewhere.test')");
foreach my $call (@calls)
{
	my $error = error_of($node, "SET statement_timeout = '200ms'; $call");
	is($error->{sqlstate}, '57014', "cancelled: $call");
}

# Other listeners, and the supervisor, do not wait.
$node->safe_psql('postgres', <<"SQL");
INSERT INTO influx_listeners (name, schema, role, service, address) VALUES ('waits', 'm', current_user, '$other', 'waiting.test');
SQL
ok(poll_until(sub { asked('waiting.test') }), 'a supervised listener waits for its name');
my $third = free_udp_port();
$node->safe_psql('postgres', "INSERT INTO influx_listeners (name, schema, role, service, address) VALUES ('runs', 'm', current_user, '$third', '127.0.0.1')");
wait_for_value($node, q{SELECT state FROM pg_stat_influx WHERE listener = 'runs'}, 'listening', 'another one is started meanwhile');
is($node->safe_psql('postgres', q{SELECT state FROM pg_stat_influx WHERE listener = 'waits'}), 'starting', 'while it waits');
$node->safe_psql('postgres', q{DELETE FROM influx_listeners WHERE name = 'waits'});
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE listener = 'waits'}, 0, 'it ends when it is not wanted');
stores('all the time');

# A shutdown does not wait either, with all of them asking.
$node->safe_psql('postgres', "INSERT INTO influx_listeners (name, schema, role, service, address) VALUES ('late', 'm', current_user, '$other', 'waiting.test')");
my $count = asked('waiting.test');
ok(poll_until(sub { asked('waiting.test') >= 2 }), 'another one waits');
$node->stop('fast');
ok(1, 'a fast shutdown has not waited');

done_testing();
