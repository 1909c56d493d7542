# Listening: a launched worker is ready when worker_launch() returns, can be seen in pg_stat_activity,
# receives over IPv4 and IPv6, and stores as the role that launched it, in the schema it was launched for.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('listen');

# Ready on return: the packet is sent in the statement after the launch.
my $port = free_udp_port();
my $pid = $node->safe_psql('postgres', <<SQL);
SELECT worker_launch('public', $port);
CALL send_packet('ready,host=a v=1i 1574753954000000000', $port);
SQL
like($pid, qr/^[1-9]\d*$/, 'worker_launch returns a pid');
ok(is_running($pid), 'the pid is that of a running process');
wait_for_rows($node, 'ready', 1, 'a packet sent right after the launch arrives');
is( $node->safe_psql('postgres', "SELECT time AT TIME ZONE 'UTC', host, v FROM ready"),
	'2019-11-26 07:39:14|a|1',
	'the row holds what was sent');

my $fresh = free_udp_port();
launch($node, $fresh);
send_text(udp($fresh), 'fresh v=1i');
wait_for_rows($node, 'fresh', 1, 'a datagram from outside, sent right after the launch, arrives');

# What pg_stat_activity shows.
sub activity
{
	my ($column) = @_;
	return $node->safe_psql('postgres', "SELECT $column FROM pg_stat_activity WHERE pid = $pid");
}
wait_for_value($node, "SELECT state FROM pg_stat_activity WHERE pid = $pid", 'idle', 'state is idle');
is(activity('backend_type'), 'influx listener', 'backend_type');
is( activity('application_name'),
	"influx public 127.0.0.1:$port, [::1]:$port",
	'application_name tells schema and addresses');
wait_for_value(
	$node,
	"SELECT wait_event_type, wait_event = CASE WHEN current_setting('server_version_num')::integer >= 170000"
	  . " THEN 'InfluxListener' ELSE 'Extension' END FROM pg_stat_activity WHERE pid = $pid",
	'Extension|t',
	'an idle listener waits for an event that has a name, its own where the server lets it');
is(activity('datname'), 'postgres', 'it is connected to the database of the launcher');
is(activity('xact_start IS NULL AND backend_xmin IS NULL'), 't', 'it has no transaction open');

# Both families.
send_text(udp($port, '127.0.0.1'), 'family,ip=4 v=1i');
send_text(udp($port, '::1'), 'family,ip=6 v=1i');
wait_for_value($node, 'SELECT string_agg(ip, \',\' ORDER BY ip) FROM family',
	'4,6', 'rows arrive over IPv4 and IPv6');

# send_packet, the service as text and as integer, with and without a host.
$node->safe_psql('postgres', <<SQL);
CALL send_packet('called,way=integer v=1i', $port);
CALL send_packet('called,way=text v=1i', '$port');
CALL send_packet('called,way=integer_host v=1i', $port, '127.0.0.1');
CALL send_packet('called,way=text_host v=1i', '$port', '::1');
CALL send_packet(packet => 'called,way=named v=1i', service => '$port', hostname => 'localhost');
SQL
wait_for_value(
	$node,
	'SELECT string_agg(way, \',\' ORDER BY way) FROM called',
	'integer,integer_host,named,text,text_host',
	'send_packet sends in all its forms');

# The service as text, as integer, and by name.
$node->safe_psql('postgres', 'CREATE SCHEMA as_text; CREATE SCHEMA as_integer; CREATE SCHEMA as_name');
my $as_text = free_udp_port();
$node->safe_psql('postgres', "SELECT worker_launch('as_text', '$as_text')");
send_text(udp($as_text), 'm v=1i');
wait_for_rows($node, 'as_text.m', 1, 'service given as text');

my $as_integer = free_udp_port();
$node->safe_psql('postgres', "SELECT worker_launch('as_integer'::regnamespace, $as_integer)");
send_text(udp($as_integer), 'm v=1i');
wait_for_rows($node, 'as_integer.m', 1, 'service given as integer');

my ($service, $service_port);
while (my @entry = getservent())
{
	my ($name, undef, $number, $protocol) = @entry;
	next unless $protocol eq 'udp' && $number > 1024;
	my $free = grep {
		IO::Socket::IP->new(
			Type => Socket::SOCK_DGRAM(), LocalHost => $_, LocalPort => $number)
	} '127.0.0.1', '::1';
	next unless $free == 2;
	($service, $service_port) = ($name, $number);
	last;
}
endservent();
ok(defined $service, 'the services database has a UDP service that can be used')
  or BAIL_OUT('no UDP service above port 1024 in the services database');
$node->safe_psql('postgres', "SELECT worker_launch('as_name', '$service')");
send_text(udp($service_port), 'm,by=number v=1i');
$node->safe_psql('postgres', "CALL send_packet('m,by=name v=1i', '$service')");
wait_for_value($node, 'SELECT string_agg(by, \',\' ORDER BY by) FROM as_name.m',
	'name,number', "service given by name ($service, port $service_port)");

# Without a schema: that of the function.
$node->safe_psql('postgres', 'CREATE DATABASE own');
$node->safe_psql('own', 'CREATE SCHEMA metrics; CREATE EXTENSION influx SCHEMA metrics');
my ($own_integer, $own_text) = (free_udp_port(), free_udp_port());
$node->safe_psql('own', "SELECT metrics.worker_launch($own_integer)");
$node->safe_psql('own', "SELECT metrics.worker_launch('$own_text')");
send_text(udp($own_integer), 'm,way=integer v=1i');
send_text(udp($own_text), 'm,way=text v=1i');
wait_for_value($node, 'SELECT string_agg(way, \',\' ORDER BY way) FROM metrics.m',
	'integer,text', 'without a schema, the one of the extension is used', 'own');

# Precision.
my $ms = free_udp_port();
$node->safe_psql('postgres', 'CREATE SCHEMA ms');
launch($node, $ms, schema => 'ms', precision => 'ms');
send_text(udp($ms), 'm v=1i 1574753954123');
wait_for_value($node, "SELECT time AT TIME ZONE 'UTC' FROM ms.m",
	'2019-11-26 07:39:14.123', 'precision ms');

# The role.
my $role_port = free_udp_port();
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE collector LOGIN;
CREATE SCHEMA collected;
GRANT USAGE, CREATE ON SCHEMA collected TO collector;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO collector;
SQL
my $role_pid = launch($node, $role_port, schema => 'collected', role => 'collector');
send_text(udp($role_port), 'm v=1i');
wait_for_rows($node, 'collected.m', 1, 'a role with the rights it needs can launch and store');
is( $node->safe_psql('postgres', "SELECT usename FROM pg_stat_activity WHERE pid = $role_pid"),
	'collector', 'the worker runs as the role that launched it');
is( $node->safe_psql('postgres', "SELECT tableowner FROM pg_tables WHERE schemaname = 'collected'"),
	'collector', 'which owns the tables that it makes');

# The role in effect counts, not the one that logged in.
my $set_port = free_udp_port();
my $set_pid = $node->safe_psql('postgres',
	"SET ROLE collector; SELECT worker_launch('collected', $set_port)");
is( $node->safe_psql('postgres', "SELECT usename FROM pg_stat_activity WHERE pid = $set_pid"),
	'collector', 'SET ROLE counts');

# Two schemas, two ports: nothing goes astray.
$node->safe_psql('postgres', 'CREATE SCHEMA left_one; CREATE SCHEMA right_one');
my ($left, $right) = (free_udp_port(), free_udp_port());
launch($node, $left, schema => 'left_one');
launch($node, $right, schema => 'right_one');
send_lines(udp($left), map { "m,side=left n=${_}i" } 1 .. 100);
send_lines(udp($right), map { "m,side=right n=${_}i" } 1 .. 100);
wait_for_value(
	$node,
	'SELECT (SELECT count(*) FROM left_one.m WHERE side = \'left\'), (SELECT count(*) FROM left_one.m),'
	  . '(SELECT count(*) FROM right_one.m WHERE side = \'right\'), (SELECT count(*) FROM right_one.m)',
	'100|100|100|100',
	'two listeners store in their own schemas');

# Two workers on one port. The kernel deals out the datagrams by the sender's address.
my $shared = free_udp_port();
$node->safe_psql('postgres', 'CREATE SCHEMA shared');
my @both = map { launch($node, $shared, schema => 'shared') } 1 .. 2;
isnt($both[0], $both[1], 'a second worker can be launched on the same port');
my @sockets = map { udp($shared) } 1 .. 40;
foreach my $n (1 .. 400)
{
	send_text($sockets[ $n % @sockets ], "m n=${n}i");
}
wait_for_value($node, 'SELECT count(*), count(DISTINCT n), min(n), max(n) FROM shared.m',
	'400|400|1|400', 'all datagrams to a shared port are stored once');
ok(is_running($_), "worker $_ of the shared port lives") foreach @both;
my $offset = log_size($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($_, 60000)") foreach @both;
my @received;
foreach my $worker (@both)
{
	wait_for_log($node, qr/\[$worker\] LOG:  influx: stopped: /, $offset, "worker $worker reports its totals");
	push @received, $1 if log_of($node, $worker, $offset) =~ /stopped: (\d+) datagrams received/;
}
cmp_ok($received[0], '>', 0, 'the first worker got its share');
cmp_ok($received[1], '>', 0, 'the second worker got its share');
is($received[0] + $received[1], 400, 'together they got all');

done_testing();
