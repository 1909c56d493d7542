# What the kernel drops is counted to the unit, although no datagram comes afterwards: at the end of a flood,
# and at an address that is given up.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use Test::More;

use constant FLOOD => 2000;

my $node = new_node('drops', "influx.read_buffer = '64kB'\n");

sub totals
{
	my ($pid, $offset) = @_;
	return log_of($node, $pid, $offset) =~
	  /stopped: (\d+) datagrams received, (\d+) points stored, (\d+) lines refused, 0 lines lost, (\d+) datagrams lost, 0 datagrams/;
}

# Held, so that the kernel has to drop what its buffer has no room for.
sub flood_while_held
{
	my ($pid, $port, $host) = @_;
	my $socket = udp($port, $host);
	kill 'STOP', $pid;
	send_text($socket, sprintf('flood n=%di,filler="%s"', $_, 'x' x 500)) foreach 1 .. FLOOD;
	return;
}

sub accounts
{
	my ($pid, $offset, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	wait_for_log($node, qr/\[$pid\] WARNING:  influx: \d+ datagrams lost: the kernel's buffer was full/,
		$offset, "$name: what the kernel dropped is reported");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	ok(defined wait_gone($pid), "$name: the listener is stopped");
	my ($received, $stored, $refused, $lost) = totals($pid, $offset);
	cmp_ok($lost, '>', FLOOD / 4, "$name: much was dropped");
	is($received + $lost, FLOOD, "$name: what was received and what was dropped are all that was sent");
	is("$stored $refused", "$received 0", "$name: and what was received is stored");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM flood'), $stored, "$name: in the table as well");
	$node->safe_psql('postgres', 'DROP TABLE flood');
	return;
}

my $port = free_udp_port();
my $offset = log_size($node);
my $pid = launch($node, $port);
flood_while_held($pid, $port, '127.0.0.1');
kill 'CONT', $pid;
accounts($pid, $offset, 'end of a flood');

$port = free_udp_port();
$offset = log_size($node);
$pid = launch($node, $port);
flood_while_held($pid, $port, '::1');
$node->safe_psql('postgres', "LOAD 'influx'; ALTER SYSTEM SET influx.listen_addresses = '127.0.0.1'");
$node->reload;
ok(poll_until(sub { has_pending_hangup($pid) }), 'a reload waits');
kill 'CONT', $pid;
accounts($pid, $offset, 'address that is given up');

done_testing();
