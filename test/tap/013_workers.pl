# pg_stat_influx: shows every listener of the server, to those who may see it; and what it counts adds up to
# the line, whatever was refused, dropped by the kernel or held up.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

# Little room, so that a flood meets its end soon.
my $node = new_node('workers', "influx.max_pending = '1MB'\ninflux.batch_bytes = '64kB'\ninflux.read_buffer = '64kB'\n");

sub sql { return $node->safe_psql('postgres', $_[0]); }

# What the function shows of the listener on a port.
sub shown { return "SELECT $_[1] FROM pg_stat_influx WHERE port = $_[0]"; }

is(sql('SELECT count(*) FROM pg_stat_influx'), '0', 'no listener, no row');

# Who a listener is.
sql('CREATE ROLE collector LOGIN; CREATE SCHEMA metrics; GRANT USAGE, CREATE ON SCHEMA metrics TO collector;'
	. 'GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO collector');
my $before = sql('SELECT clock_timestamp()');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'metrics', precision => 'us', role => 'collector');
is( sql(shown($port, 'pid, database, schema, role, "precision", state, restarts, last_error IS NULL, last_error_time IS NULL')),
	"$pid|postgres|metrics|collector|us|listening|0|t|t",
	'who it is');
is(sql(shown($port, "started BETWEEN '$before' AND clock_timestamp()")), 't', 'and since when it works');
is( sql(shown($port, 'datagrams, bytes, lines, stored, rejected, rejected_by, waiting, kernel_drops, truncated,'
			. ' filtered, lost_datagrams, batches, retries')),
	'0|0|0|0|0|{}|0|0|0|0|0|0|0',
	'it has counted nothing yet');

# What it counts.
my $socket = udp($port);
my $text = "m v=1i\nm v=2i\n";
send_text($socket, $text);
wait_for_value($node, shown($port, 'datagrams, bytes, lines, stored, rejected, waiting, batches'),
	'1|' . length($text) . '|2|2|0|0|1', 'lines that were stored');
sql('ALTER TABLE metrics.m ADD CHECK (v < 100)');
$text = "m v=3i\nm v=oops\nm v=\nm v=101i\nm v=\"word\"\n# no line\n\n" . 'm' x 64 . " v=1i";
send_text($socket, $text);
wait_for_value(
	$node,
	shown($port, "datagrams, lines, stored, rejected, rejected_by = '{\"malformed\": 2, \"value\": 1, \"constraint\": 1, \"table\": 1}', waiting"),
	'2|8|3|5|t|0',
	'lines that were refused, by the kind of reason')
  or diag(sql(shown($port, 'rejected_by')));
is(sql('SELECT count(*) FROM metrics.m'), '3', 'the table holds what was stored');

# What waits behind a lock.
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;
$session->query_safe('BEGIN; LOCK TABLE metrics.m IN ACCESS EXCLUSIVE MODE');
send_text($socket, "m v=4i\nm v=5i\nm v=6i\n");
wait_for_value($node, shown($port, 'lines, stored, rejected, waiting'), '11|3|5|3', 'lines that wait');
$session->query_safe('COMMIT');
wait_for_value($node, shown($port, 'lines, stored, rejected, waiting'), '11|6|5|0', 'and do not any more');

# Every look at a busy listener adds up, and no number goes back.
my $busy_port = free_udp_port();
launch($node, $busy_port, schema => 'public');
my $sender = start_sender(
	port => $busy_port,
	rate => 20_000,
	line => sub { $_[0] % 7 ? "busy n=$_[0]i" : 'busy n=oops' });
wait_for_value($node, shown($busy_port, 'stored > 0'), 't', 'load comes in');
$session->query_safe(<<SQL);
CREATE TABLE looks (id int GENERATED ALWAYS AS IDENTITY, lines bigint, stored bigint, rejected bigint, by_kind bigint, waiting bigint);
DO \$\$
BEGIN
  FOR look IN 1 .. 20000 LOOP
    INSERT INTO looks (lines, stored, rejected, by_kind, waiting)
    SELECT lines, stored, rejected, (rejected_by->>'malformed')::bigint, waiting FROM pg_stat_influx WHERE port = $busy_port;
  END LOOP;
END \$\$;
SQL
my $sent = stop_sender($sender);
is(sql('SELECT count(*), bool_and(lines = stored + rejected + waiting AND rejected = by_kind) FROM looks'),
	'20000|t', 'the numbers of a busy listener add up at any time');
cmp_ok(sql('SELECT count(DISTINCT stored) FROM looks'), '>=', 3, 'while they were changing');
is( sql('SELECT count(*) FROM (SELECT stored < lag(stored) OVER w OR lines < lag(lines) OVER w AS back FROM looks'
		  . ' WINDOW w AS (ORDER BY id)) AS s WHERE back'),
	'0',
	'none went back');
wait_for_value($node, shown($busy_port, 'lines, stored, rejected, waiting, kernel_drops'),
	join('|', $sent, $sent - int($sent / 7), int($sent / 7), 0, 0), 'and at rest they are what was sent');

# A flood beyond what it can hold. Each datagram has so many lines, one of them malformed.
my ($per_datagram, $datagrams) = (10, 20_000);
my $flood_port = free_udp_port();
my $flooded = launch($node, $flood_port, schema => 'public');
my $flood_socket = udp($flood_port);
my $flood_line = sub { $_[0] % $per_datagram ? "flood n=$_[0]i" : 'flood n=oops' };
send_text($flood_socket, join("\n", map { $flood_line->($_) } 1 .. $per_datagram));
wait_for_value($node, shown($flood_port, 'stored, rejected'), '9|1', 'a table to be written to');
# A write waits as long as the session likes.
sql(<<'SQL');
CREATE FUNCTION public.wait_for_session() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(4711); RETURN NULL; END $$;
CREATE TRIGGER wait_for_session BEFORE INSERT ON public.flood EXECUTE FUNCTION public.wait_for_session();
CREATE TRIGGER wait_for_session BEFORE INSERT ON metrics.m EXECUTE FUNCTION public.wait_for_session();
SQL
configure($node, 'influx.lock_timeout' => "'60s'");
$session->query_safe('SELECT pg_advisory_lock(4711)');
$sent = wait_sender(start_sender(
	port => $flood_port,
	lines => $per_datagram,
	count => $per_datagram * $datagrams,
	line => $flood_line));
$session->query_safe('SELECT pg_advisory_unlock(4711)');
is($sent, $per_datagram * $datagrams, 'a flood was sent');
my $in_all = $datagrams + 1;
wait_for_value($node, shown($flood_port, 'waiting = 0 AND datagrams > 1'), 't', 'what was received of it is written');
wait_for_value($node, shown($flood_port, 'waiting, datagrams + kernel_drops'), "0|$in_all",
	'each datagram was received or dropped by the kernel');
cmp_ok(sql(shown($flood_port, 'kernel_drops')), '>', 1000, 'many were dropped');
is( sql(shown($flood_port, "stored + rejected + $per_datagram * kernel_drops, truncated, lost_datagrams")),
	join('|', $per_datagram * $in_all, 0, 0),
	'lines stored, refused and dropped are what was sent');
is(sql(shown($flood_port, "rejected * $per_datagram = lines, rejected_by->>'malformed' = rejected::text")),
	't|t', 'the refused ones are those that were malformed');
is(sql(shown($flood_port, 'stored = (SELECT count(*) FROM flood)')), 't', 'and the table holds the stored ones');

# A batch that is interrupted is written again.
my $retries = sql(shown($port, 'retries'));
$session->query_safe('SELECT pg_advisory_lock(4711)');
send_text($socket, 'm v=7i');
wait_for_value($node, "SELECT count(*) > 0 FROM pg_locks WHERE pid = $pid AND NOT granted", 't', 'a batch waits');
sql("SELECT pg_cancel_backend($pid)");
$session->query_safe('SELECT pg_advisory_unlock(4711)');
wait_for_value($node, shown($port, 'lines, stored, rejected, waiting, retries'), '12|7|5|0|' . ($retries + 1), 'a retry is counted, its lines once');

# Lines that wait for a table which somebody has locked.
$session->query_safe('BEGIN; LOCK TABLE metrics.m IN ACCESS EXCLUSIVE MODE');
send_text($socket, 'm v=8i');
wait_for_value($node, shown($port, 'lines, stored, rejected, waiting'), '13|7|5|1', 'lines of a locked table wait');
$session->query_safe('COMMIT');
wait_for_value($node, shown($port, 'lines, stored, rejected, waiting'), '13|8|5|0', 'and are stored when it is free');
$session->quit;

# Listeners of other databases are shown as well; names that are known in theirs only, as far as they can be.
create_database($node, 'latin', "ENCODING LATIN1 LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
$node->safe_psql('latin', "SET client_encoding = 'UTF8'; CREATE SCHEMA \"m\xc3\xa4rz\"");
my $latin_port = free_udp_port();
$node->safe_psql('latin', "SET client_encoding = 'UTF8'; SELECT worker_launch('\"m\xc3\xa4rz\"', $latin_port)");
is(sql(shown($latin_port, 'database, schema')), 'latin|m?rz', 'a listener of another database');
is( $node->safe_psql('latin', "SET client_encoding = 'UTF8'; SELECT schema FROM pg_stat_influx WHERE port = $latin_port"),
	"m\xc3\xa4rz",
	'in its own database the name is whole');
sql('ALTER SCHEMA metrics RENAME TO measured');
is(sql(shown($port, 'schema')), 'measured', 'a schema that was renamed has its new name in its database');
is( $node->safe_psql('latin', shown($port, 'schema')),
	'metrics',
	'and the one from the launch in others');

# Who may look.
sql('CREATE ROLE anybody LOGIN; CREATE ROLE monitor LOGIN; GRANT pg_monitor TO monitor');
my $refused = error_of($node, 'SELECT * FROM pg_stat_influx', connstr => $node->connstr('postgres') . ' user=anybody');
is($refused->{sqlstate}, '42501', 'not everybody may look');
my ($status, $count) =
  $node->psql('postgres', 'SELECT count(*) FROM pg_stat_influx', connstr => $node->connstr('postgres') . ' user=monitor');
is($count, '4', 'members of pg_monitor may');

# A listener that ends is not shown any more, and the next one counts for itself; so it is with one that
# could not start.
sql("SELECT pg_terminate_backend($pid, 60000)");
is(sql(shown($port, '*')), '', 'a listener that has ended is not shown');
launch($node, $port, schema => 'measured');
is(sql(shown($port, 'lines, restarts, last_error IS NULL')), '0|0|t', 'the next one starts at zero');
my $taken = IO::Socket::IP->new(Type => Socket::SOCK_DGRAM(), LocalHost => '127.0.0.1', LocalPort => free_udp_port());
my $taken_port = $taken->sockport;
is(error_of($node, "SELECT worker_launch('public', $taken_port)")->{sqlstate}, '55006', 'a launch fails');
is(sql('SELECT count(*) FROM pg_stat_influx'), '4', 'and leaves nothing to show');

done_testing();
