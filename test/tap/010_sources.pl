# influx.allowed_sources: datagrams of other senders are turned away and counted; a reload changes who is
# allowed; the setting can be that of a role, which cannot change it.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('sources', "influx.listen_addresses = 'localhost'\n");

my %senders = (first => [ '127.0.0.1', '127.0.0.1' ], second => [ '127.0.0.1', '127.0.0.2' ], six => [ '::1', '::1' ]);
my $round = 0;

# One line of each sender, stored for those who are allowed: the others' come to the same sockets before theirs,
# so that they would be there as well. At least one has to be allowed in each family.
sub allows
{
	my ($port, $schema, $allowed, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	++$round;
	my %is_allowed = map { $_ => 1 } @$allowed;
	foreach my $sender (sort { ($is_allowed{$a} // 0) <=> ($is_allowed{$b} // 0) || $a cmp $b } keys %senders)
	{
		my ($host, $from) = @{ $senders{$sender} };
		send_text(udp($port, $host, $from), "m,sender=$sender round=${round}i");
	}
	return wait_for_value($node, "SELECT string_agg(sender, ' ' ORDER BY sender) FROM $schema.m WHERE round = $round",
		join(' ', sort @$allowed), $name);
}

sub turned_away
{
	my ($pid, $offset) = @_;
	my $sum = 0;
	my $log = log_of($node, $pid, $offset);
	$sum += $1 while $log =~ /WARNING:  influx: (\d+) datagrams turned away: influx\.allowed_sources/g;
	return $sum;
}

# Without the setting everybody is allowed, and nothing is said of it.
my $port = free_udp_port();
my $pid = launch($node, $port);
allows($port, 'public', [ 'first', 'second', 'six' ], 'without the setting, everybody is allowed');
unlike(log_of($node, $pid, 0), qr/taking datagrams/, 'and the log does not speak of it');

# A reload allows some, and says whom. A report comes at once, if there was none for long.
my $offset = log_size($node);
configure($node, 'influx.allowed_sources' => "'127.0.0.2/32, ::1'");
like(
	log_of($node, $pid, $offset),
	qr/LOG:  influx: taking datagrams of these sources only: 127\.0\.0\.2\/32, ::1\n/,
	'a reload tells who is allowed');
allows($port, 'public', [ 'second', 'six' ], 'who is not named is turned away');
ok(poll_until(sub { turned_away($pid, $offset) == 1 }), 'which is told in the log');

$offset = log_size($node);
configure($node, 'influx.allowed_sources' => "'127.0.0.0/31', '::/0'");
like(log_of($node, $pid, $offset), qr/sources only: 127\.0\.0\.0\/31, ::\/0\n/, 'a list of several strings');
allows($port, 'public', [ 'first', 'six' ], 'other networks, others allowed');

# A value that is malformed is refused where it is set, with the reason; in the file, it leaves things as they
# were.
my %reasons = (
	'10.0.0.1/8' => 'element "10.0.0.1/8" has bits set to the right of its prefix; the network is 10.0.0.0/8',
	'::1, localhost' => 'element "localhost" is neither an IPv4 nor an IPv6 address, nor a network in CIDR form',
	'10.0.0.0/33' => 'element "10.0.0.0/33" has no prefix length from 0 to 32 behind the slash',
	'fe80::1%lo' => 'element "fe80::1%lo" has a zone, and a network cannot have one',
	'::1,' => 'element 2 is empty');
foreach my $value (sort keys %reasons)
{
	my $error = error_of($node, "LOAD 'influx'; ALTER SYSTEM SET influx.allowed_sources = '$value'");
	is("$error->{sqlstate} $error->{message}",
		"22023 invalid value for parameter \"influx.allowed_sources\": \"$value\"", "refused: $value");
	is($error->{detail}, "List $reasons{$value}.", 'with the reason');
}
# ALTER SYSTEM would win over the file.
$node->append_conf('postgresql.conf', "influx.allowed_sources = '127.0.0.2, ::1'");
configure($node, 'influx.allowed_sources' => undef);
allows($port, 'public', [ 'second', 'six' ], 'the value of the file counts');
$node->append_conf('postgresql.conf', "influx.allowed_sources = '127.0.0.1, ::1/12'");
$offset = log_size($node);
$node->reload;
wait_for_reload($node, $offset, $pid);
like(log_of($node, $pid, $offset), qr/sources only: 127\.0\.0\.2, ::1\n/, 'a malformed value in the file does not');
allows($port, 'public', [ 'second', 'six' ], 'the same as before are allowed');

# It takes effect where another setting cannot.
$offset = log_size($node);
$node->safe_psql('postgres', <<'SQL');
LOAD 'influx';
ALTER SYSTEM SET influx.allowed_sources = '127.0.0.1, ::1';
ALTER SYSTEM SET influx.listen_addresses = '198.51.100.77';
SQL
$node->reload;
wait_for_log($node, qr/\[$pid\] WARNING:  .*could not bind/, $offset, 'an address that cannot be had');
allows($port, 'public', [ 'first', 'six' ], 'does not keep others out of the list, or in it');
configure($node, 'influx.allowed_sources' => undef, 'influx.listen_addresses' => undef);

# A value of the role counts for its listeners, and only for them.
my $role_port = free_udp_port();
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE collector LOGIN;
CREATE SCHEMA collected AUTHORIZATION collector;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO collector;
LOAD 'influx';
ALTER ROLE collector SET influx.allowed_sources = '127.0.0.1, ::1';
SQL
$offset = log_size($node);
my $role_pid = launch($node, $role_port, schema => 'collected', role => 'collector');
like(
	log_of($node, $role_pid, $offset),
	qr/sources only: 127\.0\.0\.1, ::1\n/,
	'a listener tells at its start who is allowed');
configure($node, 'influx.allowed_sources' => "'127.0.0.2, ::1'");
allows($role_port, 'collected', [ 'first', 'six' ], 'the value of the role wins over that of the file');
allows($port, 'public', [ 'second', 'six' ], 'and is that of its listeners only');
foreach my $statement ('SET', 'ALTER ROLE collector SET', 'ALTER DATABASE postgres SET')
{
	my $error = error_of($node, "SELECT parse_influx('m v=1'); $statement influx.allowed_sources = ''",
		connstr => $node->connstr('postgres') . ' user=collector');
	is($error->{sqlstate}, '42501', "the role cannot change it: $statement");
}

# The totals name those who were turned away.
$offset = log_size($node);
my $forbidden = udp($role_port, '127.0.0.1', '127.0.0.2');
send_text($forbidden, "flood n=${_}i") foreach 1 .. 50;
send_text(udp($role_port), 'flood n=0i');
wait_for_rows($node, 'collected.flood', 1, 'only what is allowed is stored');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($role_pid)");
ok(defined wait_gone($role_pid), 'the listener is stopped');
like(
	log_of($node, $role_pid, $offset),
	qr/stopped: 3 datagrams received, 3 points stored, 0 lines refused, 0 lines lost, 0 datagrams lost, 51 datagrams turned away\n/,
	'its totals are right');

# Everybody again.
configure($node, 'influx.allowed_sources' => "''");
allows($port, 'public', [ 'first', 'second', 'six' ], 'with an empty list everybody is allowed');
is(listener_count($node), 1, 'all that with one and the same listener');
is((listeners($node))[0], $pid, 'from the beginning');

done_testing();
