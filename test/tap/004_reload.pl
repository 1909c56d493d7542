# Reloading: settings take effect while the listener runs, no datagram is lost on the way, and a setting that
# cannot be used leaves things as they were and says so.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::IP;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $node = new_node('reload', "influx.listen_addresses = '127.0.0.1'\n");
my $port = free_udp_port();
my $pid = launch($node, $port);
my $addresses = sub {
	return $node->safe_psql('postgres',
		"SELECT application_name FROM pg_stat_activity WHERE pid = $pid");
};
is($addresses->(), "influx public 127.0.0.1:$port", 'listens on the one address of the setting');

# An address is added and taken away, and the batch time changes, while numbered lines come in on the address
# that stays.
my $sender = start_sender(
	port => $port,
	line => sub { "steady,host=a n=$_[0]i" },
	rate => 2000,
	lines => 2);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM steady'), 'lines come in');

my $both = "influx public 127.0.0.1:$port, [::1]:$port";
foreach my $round (1 .. 5)
{
	configure(
		$node,
		'influx.listen_addresses' => 'localhost',
		'influx.batch_timeout' => "'${round}0ms'",
		'influx.batch_size' => $round * 7);
	is($addresses->(), $both, "round $round: the second address is there after the reload");
	send_text(udp($port, '::1'), "added round=${round}i");
	wait_for_value($node, "SELECT count(*) FROM added WHERE round = $round",
		'1', "round $round: and is listened on");

	# What was sent to an address that is given up is stored, if it was there before. The process is held, so
	# that the datagrams and the reload wait for it together.
	$node->safe_psql('postgres', <<SQL);
LOAD 'influx';
ALTER SYSTEM SET influx.listen_addresses = '127.0.0.1';
ALTER SYSTEM RESET influx.batch_timeout;
ALTER SYSTEM RESET influx.batch_size;
SQL
	my $offset = log_size($node);
	kill 'STOP', $pid;
	my $six = udp($port, '::1');
	send_text($six, "leaving round=${round}i,n=${_}i") foreach 1 .. 20;
	$node->reload;
	ok(poll_until(sub { has_pending_hangup($pid) }), "round $round: a reload waits");
	kill 'CONT', $pid;
	wait_for_reload($node, $offset, $pid);
	is($addresses->(), "influx public 127.0.0.1:$port", "round $round: the second address is gone");
	wait_for_value($node, "SELECT count(*) FROM leaving WHERE round = $round",
		'20', "round $round: what was sent to it before is stored");
}

# Many reloads in a row, of nothing.
foreach (1 .. 20)
{
	$node->reload;
	$node->safe_psql('postgres', 'SELECT 1');
}
my $sent = stop_sender($sender);
wait_for_value($node, 'SELECT count(*), count(DISTINCT n), min(n), max(n) FROM steady',
	"$sent|$sent|1|$sent", "all $sent lines sent through the reloads are stored, once");
is(join(',', listeners($node)), $pid, 'the listener is the same one');

# Batch time: the effect, not the value. With a long one a line waits, and a reload to a short one frees it.
configure($node, 'influx.batch_timeout' => "'60s'");
send_text(udp($port), 'patient v=1i');
is($node->safe_psql('postgres', "SELECT to_regclass('patient') IS NULL"),
	't', 'with a long batch_timeout, a line waits');
my $start = now_seconds();
configure($node, 'influx.batch_timeout' => "'10ms'");
wait_for_rows($node, 'patient', 1, 'with a short one after a reload, it is stored');
cmp_ok(now_seconds() - $start, '<', 30, 'long before the old time was over');
configure($node, 'influx.batch_timeout' => undef);

# Settings of the database are read by new workers.
$node->safe_psql('postgres', 'CREATE SCHEMA before; CREATE SCHEMA after');
my ($port_before, $port_after) = (free_udp_port(), free_udp_port());
launch($node, $port_before, schema => 'before');
$node->safe_psql('postgres', 'ALTER DATABASE postgres SET influx.layout = \'json\'');
launch($node, $port_after, schema => 'after');
send_text(udp($port_before), 'm,t=a v=1i');
send_text(udp($port_after), 'm,t=a v=1i');
my $columns = 'SELECT string_agg(attname, \',\' ORDER BY attnum) FROM pg_attribute'
  . ' WHERE attnum > 0 AND attrelid = to_regclass(\'%s\')';
wait_for_value($node, sprintf($columns, 'before.m'), 'time,t,v', 'a worker from before keeps its layout');
wait_for_value($node, sprintf($columns, 'after.m'), '_time,_tags,_fields', 'a new worker takes the new one');
wait_for_value($node, 'SELECT _tags, _fields FROM after.m', '{"t": "a"}|{"v": 1}', 'and stores by it');
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET influx.layout');

# A malformed list is refused where it is set, and where it is read from the file.
foreach my $malformed ("'127.0.0.1,,::1'", "'127.0.0.1,'", "''")
{
	my $error = error_of($node, "LOAD 'influx'; ALTER SYSTEM SET influx.listen_addresses = $malformed");
	is($error->{sqlstate}, '22023', "a malformed list is refused: $malformed");
	like($error->{message}, qr/invalid value for parameter "influx\.listen_addresses"/, 'with its name');
	isnt($error->{detail}, '', 'and a reason');
}
my $alive = sub {
	my ($name) = @_;
	my $tag = $name =~ s/\W+/_/gr;
	send_text(udp($port), "alive,during=$tag v=1i");
	wait_for_value($node, "SELECT count(*) FROM alive WHERE during = '$tag'", '1', "$name: the old address works");
	is($addresses->(), "influx public 127.0.0.1:$port", "$name: and is the only one");
	is((grep { $_ == $pid } listeners($node)), 1, "$name: the listener is the same one");
};
# ALTER SYSTEM would win over the file.
configure($node, 'influx.listen_addresses' => undef);
$node->append_conf('postgresql.conf', "influx.listen_addresses = '127.0.0.1,,::1'");
my $offset = log_size($node);
$node->reload;
wait_for_reload($node, $offset, $pid);
is( $node->safe_psql('postgres',
		"LOAD 'influx'; SELECT DISTINCT error FROM pg_file_settings"
		  . " WHERE name = 'influx.listen_addresses' AND setting LIKE '%,,%'"),
	'setting could not be applied',
	'a malformed list in the file is shown in pg_file_settings');
$alive->('malformed list');

# An address that cannot be had.
sub keeps_old
{
	my ($name, $value, $pattern) = @_;
	my $offset = log_size($node);
	$node->safe_psql('postgres', "LOAD 'influx'; ALTER SYSTEM SET influx.listen_addresses = $value");
	$node->reload;
	wait_for_log($node, qr/\[$pid\] WARNING:  .*$pattern/, $offset, "$name: the log tells");
	$alive->($name);
	return;
}
my $taken = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.2', LocalPort => $port)
  or die "could not bind: $@";
keeps_old('address taken', "'127.0.0.1, 127.0.0.2'",
	qr/could not bind UDP socket to 127\.0\.0\.2:$port: address already in use/);
# 198.51.100.0/24 is for documentation; no machine has it.
keeps_old('address of another machine', "'198.51.100.77'",
	qr/could not bind UDP socket to 198\.51\.100\.77:$port/);
keeps_old('address of another machine beside a good one', "'127.0.0.1, 198.51.100.77'",
	qr/could not bind UDP socket to 198\.51\.100\.77:$port/);
keeps_old('name that does not resolve', "'no-such-host.invalid'",
	qr/could not resolve address "no-such-host\.invalid"/);

# And when it can be had, the next reload takes it.
close $taken;
$offset = log_size($node);
$node->safe_psql('postgres', "LOAD 'influx'; ALTER SYSTEM SET influx.listen_addresses = '127.0.0.1, 127.0.0.2'");
$node->reload;
wait_for_value($node, "SELECT application_name FROM pg_stat_activity WHERE pid = $pid",
	"influx public 127.0.0.1:$port, 127.0.0.2:$port", 'a good list works after all those');
send_text(udp($port, '127.0.0.2'), 'added round=99i');
wait_for_value($node, 'SELECT count(*) FROM added WHERE round = 99', '1', 'and is listened on');

# The size of the kernel's buffer is told, and follows the setting.
$offset = log_size($node);
configure($node, 'influx.read_buffer' => "'64kB'");
like(
	log_of($node, $pid, $offset),
	qr/listening on 127\.0\.0\.1:$port with a read buffer of 64 kB\n/,
	'the read buffer follows the setting');

# A cancel means a statement. The server looks for one at each report too, as those of a reload: there it ends nothing.
$node->safe_psql('postgres', <<SQL);
DO \$\$
BEGIN
  FOR round IN 1 .. 20 LOOP
    PERFORM pg_reload_conf();
    FOR cancel IN 1 .. 100 LOOP
      PERFORM pg_cancel_backend($pid);
    END LOOP;
  END LOOP;
END \$\$;
SQL
send_text(udp($port), 'added round=100i');
wait_for_value($node, 'SELECT count(*) FROM added WHERE round = 100', '1', 'cancels beside reloads: it still stores');
ok(is_running($pid), 'and is the same process');

done_testing();
