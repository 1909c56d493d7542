# Programs that people send with, as Debian ships them: what they measure arrives as they measured it. Each of
# them has to be installed; a missing one is a failure.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('senders');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub listen_for
{
	my ($schema, $precision) = @_;
	my $port = free_udp_port();
	sql("CREATE SCHEMA $schema");
	my $pid = launch($node, $port, schema => $schema, precision => $precision);
	return ($port, $pid);
}

# Runs a shell command; a test of its exit status.
sub runs
{
	my ($command, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $output = `{ $command; } 2>&1`;
	return is($?, 0, $name) || diag("$command\n$output");
}

my $telegraf_line =
  'cpu,cpu=cpu0,host=fury usage_idle=95.9,usage_system=2.0,usage_user=2.0 1574753954000000000';

# nc.
my ($port, $pid) = listen_for('nc');
runs("echo '$telegraf_line' | nc -Nu -w1 localhost $port", 'nc sends');
wait_for_value(
	$node,
	"SELECT time = '2019-11-26 07:39:14+00', cpu, host, usage_idle, usage_system, usage_user FROM nc.cpu",
	't|cpu0|fury|95.9|2|2',
	'the line of nc is in table cpu');
is( sql("SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ',' ORDER BY attnum) FROM pg_attribute"
		  . " WHERE attrelid = 'nc.cpu'::regclass AND attnum > 0"),
	'time timestamp with time zone,cpu text,host text,usage_idle double precision,'
	  . 'usage_system double precision,usage_user double precision',
	'which has the columns of the line');

# socat.
($port, $pid) = listen_for('socat');
runs("echo '$telegraf_line' | socat - UDP4-SENDTO:127.0.0.1:$port", 'socat sends over IPv4');
runs("echo '$telegraf_line' | sed 's/fury/flurry/' | socat - 'UDP6-SENDTO:[::1]:$port'", 'socat sends over IPv6');
wait_for_value($node, "SELECT string_agg(host || ' ' || usage_idle, ',' ORDER BY host DESC) FROM socat.cpu WHERE time = '2019-11-26 07:39:14+00'",
	'fury 95.9,flurry 95.9', 'both lines of socat arrive');

# The Python client.
($port, $pid) = listen_for('python');
my $script = <<'PYTHON';
import sys
from datetime import datetime, timezone
from influxdb import InfluxDBClient
client = InfluxDBClient(host='127.0.0.1', use_udp=True, udp_port=int(sys.argv[1]))
client.write_points([
    {'measurement': 'cpu load', 'tags': {'host': 'a b', 'rack': 'r,1=x', 'empty': ''},
     'time': datetime(2019, 11, 26, 7, 39, 14, 123456, tzinfo=timezone.utc),
     'fields': {'value': 0.64, 'count': 9223372036854775807, 'up': True, 'down': False,
                'note': 'say "hi", \\ and = too', 'line': 'one\ntwo', 'left_out': None}},
    {'measurement': 'cpu load', 'tags': {'host': 'grün'}, 'time': 1574753954000000001,
     'fields': {'value': -1.5e-7, 'count': -3}},
])
client.write_points([{'measurement': 'now', 'fields': {'value': 1.0}} for _ in range(50)], batch_size=10)
PYTHON
my $script_file = PostgreSQL::Test::Utils::tempdir() . '/send.py';
append_to_file($script_file, $script);
runs("/usr/bin/python3 $script_file $port", 'the Python client sends');
# This client sends a line end in a string as a backslash and an n, which are two characters in the protocol.
wait_for_value(
	$node,
	"SELECT time = '2019-11-26 07:39:14.123456+00', host, rack, value, count, up, down, note, line"
	  . " FROM python.\"cpu load\" WHERE host = 'a b'",
	't|a b|r,1=x|0.64|9223372036854775807|t|f|say "hi", \\ and = too|one\ntwo',
	'the values of the Python client arrive, with all that had to be escaped');
wait_for_value($node, "SELECT time = '2019-11-26 07:39:14+00', value, count, up IS NULL FROM python.\"cpu load\" WHERE host = U&'gr\\00FCn'",
	't|-1.5e-07|-3|t', 'so does the second point');
wait_for_value($node, "SELECT count(*), bool_and(time BETWEEN now() - '10 minutes'::interval AND now()) FROM python.now",
	'50|t', 'points without a time get that of their arrival');
is(join('|', refusals($node, $pid, 0)), '0|0', 'no line of it is refused');

# The Perl module.
($port, $pid) = listen_for('perl');
ok(eval { require InfluxDB::LineProtocol; InfluxDB::LineProtocol->import('data2line'); 1 },
	'InfluxDB::LineProtocol is installed') or diag($@);
my $socket = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1', PeerPort => $port)
  or die "could not make a socket: $@";
foreach my $point (
	[ 'disk free', { value => 42, ratio => 0.25, label => 'a "b" c', '*state' => 'x' =~ s/x/ok/r },
		{ host => 'web 1', path => '/var,log=x' }, 1574753954000000000 ],
	[ 'single', 7 ])
{
	my $line = eval { data2line(@$point) } // diag("data2line: $@");
	send_text($socket, $line);
}
wait_for_value(
	$node,
	"SELECT time = '2019-11-26 07:39:14+00', host, path, value, ratio, label FROM perl.\"disk free\"",
	't|web 1|/var,log=x|42|0.25|a "b" c',
	'the values of the Perl module arrive');
wait_for_value($node, "SELECT value, time BETWEEN now() - '10 minutes'::interval AND now() + '1 second'::interval FROM perl.single",
	'7|t', 'and those of a point with one value');
is(join('|', refusals($node, $pid, 0)), '0|0', 'no line of it is refused');

# collectd.
($port, $pid) = listen_for('collectd', 'ms');
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/collectd.conf", <<CONF);
Hostname "probe"
FQDNLookup false
BaseDir "$directory"
PIDFile "$directory/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
  File "$directory/collectd.log"
  LogLevel info
</Plugin>
LoadPlugin cpu
LoadPlugin memory
LoadPlugin load
<Plugin cpu>
  ReportByCpu false
  ReportByState true
  ValuesPercentage true
</Plugin>
LoadPlugin write_influxdb_udp
<Plugin write_influxdb_udp>
  Server "127.0.0.1" "$port"
  StoreRates true
</Plugin>
CONF
my $collectd = start_process("$directory/output", '/usr/sbin/collectd', '-f', '-C', "$directory/collectd.conf");
# All of them are there from the second reading on: the use of the processors is a difference.
ok( $node->poll_query_until('postgres',
		"SELECT count(*) = 3 FROM pg_tables WHERE schemaname = 'collectd' AND tablename IN ('cpu', 'memory', 'load')"),
	'the measurements of collectd arrive');
ok($node->poll_query_until('postgres', 'SELECT count(DISTINCT time) >= 3 FROM collectd.load'), 'again and again');
# The kinds of memory that it reports leave little out of all there is.
my ($total) = slurp_file('/proc/meminfo') =~ /^MemTotal:\s+(\d+) kB/m;
my $kinds = "SELECT time, array_agg(type_instance::text) AS kinds, sum(value) AS total FROM collectd.memory"
  . " WHERE type = 'memory' GROUP BY time";
wait_for_value($node, "SELECT count(*) > 0 FROM ($kinds) AS s WHERE kinds @> '{used,free,cached,buffered}'",
	't', 'the kinds of memory are told apart');
wait_for_value(
	$node,
	"SELECT bool_and(total BETWEEN 0.9 * $total * 1024 AND 1.01 * $total * 1024) FROM ($kinds) AS s"
	  . " WHERE kinds @> '{used,free,cached,buffered,slab_recl,slab_unrecl}'",
	't',
	'and add up to the memory of this machine');
my ($longterm) = slurp_file('/proc/loadavg') =~ /^\S+ \S+ (\S+)/;
cmp_ok(abs(sql('SELECT longterm FROM collectd.load ORDER BY time DESC LIMIT 1') - $longterm), '<', 1,
	'the load is that of this machine');
is(sql('SELECT count(*) FROM collectd.load WHERE shortterm IS NULL OR midterm IS NULL OR longterm IS NULL'),
	'0', 'with its three values in one row');
wait_for_value(
	$node,
	"SELECT count(DISTINCT type_instance) >= 5, bool_and(type = 'percent' AND value BETWEEN 0 AND 100.001) FROM collectd.cpu",
	't|t',
	'the use of the processors is in percent');
is( sql("SELECT string_agg(DISTINCT host, ',') FROM (SELECT host FROM collectd.load UNION ALL SELECT host FROM collectd.memory) AS s"),
	'probe', 'the host is the one configured');
is( sql("SELECT bool_and(time BETWEEN now() - '10 minutes'::interval AND now() + '1 minute'::interval) FROM collectd.load"),
	't', 'the times are in milliseconds, and of now');
is(stop_process($collectd), 0, 'collectd ends');
is(join('|', refusals($node, $pid, 0)), '0|0', 'no line of it is refused')
  or diag(log_of($node, $pid, 0));

done_testing();
