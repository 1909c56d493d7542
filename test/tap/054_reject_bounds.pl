# influx_rejects is bounded in bytes: what waits to be put there, what is there, and what it takes on disk, also where a
# session with an old snapshot keeps what was deleted.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $kilobytes = 2048;
my $node = new_node('reject_bounds',
	"influx.rejects = table\ninflux.batch_timeout = 20\ninflux.max_reject_bytes = ${kilobytes}kB\nautovacuum = off\ninflux.max_pending = 4096\ninflux.batch_bytes = 256\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql('CREATE SCHEMA m');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'm');
my $socket = udp($port);
my ($done, $sent) = (0, 0);

# Sends lines without a comma, space or equals sign, each of a datagram of its own, and waits until all are dealt with.
sub flood
{
	my ($count, $size) = @_;
	foreach (1 .. $count)
	{
		++$sent;
		send_text($socket, sprintf('%08d', $sent) . ('x' x ($size - 8)));
		all_done() if $_ % 20 == 0;
	}
	return all_done();
}

sub all_done
{
	++$done;
	send_text($socket, "done n=${done}i");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	poll_until(sub { sql('SELECT count(*) FROM pg_class WHERE relname = \'done\'') == 1 && sql("SELECT count(*) FROM m.done WHERE n = $done") == 1 })
	  or die 'lines are not dealt with';
	return;
}
sub memory { my $status = PostgreSQL::Test::Utils::slurp_file("/proc/$pid/status"); $status =~ /VmRSS:\s*(\d+)/; return $1; }
my $newest = q{SELECT max(substr(convert_from(line, 'UTF8'), 1, 8)) FROM influx_rejects};
my $bytes = 'SELECT coalesce(sum(octet_length(line)), 0) FROM influx_rejects';

# The table holds the newest, up to so many bytes.
flood(100, 50_000);
cmp_ok(sql($bytes), '<=', $kilobytes * 1024 * 33 / 32, 'the lines are within influx.max_reject_bytes');
cmp_ok(sql($bytes), '>', $kilobytes * 1024 / 2, 'and many of them');
is(sql($newest), sprintf('%08d', $sent), 'the newest are there');
is(sql('SELECT max(octet_length(measurement)) FROM influx_rejects'), 63, 'the measurement of a malformed line is cut to a name');
is(sql(q{SELECT max(octet_length(line)) FROM influx_rejects}), 50_000, 'the line is whole');

# Locked, it takes no more memory than so many bytes: the oldest go, the newest wait.
sql('DELETE FROM influx_rejects');
my $before = memory();
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE influx_rejects IN ACCESS EXCLUSIVE MODE');
flood(400, 50_000);
my $taken = memory() - $before;
cmp_ok($taken, '<', 10 * 1024, "20 MB of refused lines take little memory while the table is locked: $taken kB");
$session->query_safe('COMMIT');
all_done();
wait_for_value($node, $newest, sprintf('%08d', $sent), 'the newest of them are kept when it is free');
cmp_ok(sql($bytes), '<=', $kilobytes * 1024 * 33 / 32, 'within the bound');
cmp_ok(sql('SELECT count(*) FROM influx_rejects'), '>', 20, 'not one of them, but many');

# A cancel while the table is written costs no line.
sql(q{DELETE FROM influx_rejects; CREATE SEQUENCE attempts; GRANT USAGE ON SEQUENCE attempts TO PUBLIC;
	CREATE FUNCTION cancel_once() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
	  IF nextval('public.attempts') = 1 THEN PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(60); END IF;
	  RETURN NULL;
	END $$;
	CREATE TRIGGER cancel_once AFTER INSERT ON influx_rejects FOR EACH STATEMENT EXECUTE FUNCTION cancel_once()});
send_text($socket, 'cancelled');
all_done();
all_done();
wait_for_value($node, q{SELECT convert_from(line, 'UTF8') FROM influx_rejects}, 'cancelled', 'after a cancel the line is written again');
cmp_ok(sql('SELECT last_value FROM attempts'), '>', 1, 'by another attempt');
sql('DROP TRIGGER cancel_once ON influx_rejects');

# A session with an old snapshot keeps all that is deleted: the table stops growing.
sql('DELETE FROM influx_rejects; ALTER TABLE influx_rejects ALTER COLUMN line SET STORAGE EXTERNAL');
sql('VACUUM FULL influx_rejects');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
my $offset = log_size($node);
flood(400, 50_000);
my $size = sql("SELECT pg_total_relation_size('influx_rejects') / 1024");
cmp_ok($size, '<', 3 * $kilobytes + 1024, "20 MB of refused lines under an old snapshot: $size kB on disk");
cmp_ok($size, '>', $kilobytes, 'which is more than nothing');
$session->query_safe('COMMIT');
$session->quit;
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
wait_for_log($node, qr/DETAIL:  Some could not be kept: the table has grown to more than twice influx\.max_reject_bytes on disk\./,
	$offset, 'the log tells why lines were not kept');
sql('VACUUM influx_rejects');
$pid = launch($node, $port = free_udp_port(), schema => 'm');
$socket = udp($port);
flood(1, 50_000);
wait_for_value($node, $newest, sprintf('%08d', $sent), 'when the old rows are gone, lines are kept again');
cmp_ok(sql("SELECT pg_total_relation_size('influx_rejects') / 1024"), '<=', $size + 200, 'in their place');

done_testing();
