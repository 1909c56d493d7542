# The views pg_stat_influx and pg_stat_influx_tables, their reset, the summary in the log, and notifications.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('views', "influx.restart_time = 1\nmax_prepared_transactions = 3\n");
my $port = free_udp_port();

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub shown { return "SELECT $_[0] FROM pg_stat_influx WHERE port = $port"; }
sub table_shown { return "SELECT $_[1] FROM pg_stat_influx_tables WHERE schema = 'public' AND table_name = '$_[0]'"; }

# What is not known is NULL.
my $pid = launch($node, $port);
is( sql(shown('pid, listener, transport, restarts, read_buffer > 0, batch_rows_p50, batch_rows_p99, commit_ms_p50, commit_ms_p99,'
			. ' last_datagram, newest_time, lag, last_error, last_error_sqlstate, last_error_time, stats_reset')),
	"$pid||udp|0|t|||||||||||", 'a listener that has done nothing yet');
is(sql(shown('addresses')), "{127.0.0.1:$port,[::1]:$port}", 'its addresses');

# Percentiles: batches of known sizes. One datagram is one batch, where each waits for the one before.
my $socket = udp($port);
my ($sent, $batches) = (0, 0);
sub send_batch
{
	my ($rows) = @_;
	send_text($socket, join("\n", map { 'b v=' . ($sent + $_) . 'i 1700000000000000000' } 1 .. $rows));
	$sent += $rows;
	++$batches;
	poll_until(sub { sql(shown('stored, waiting')) eq "$sent|0" }) or die 'a batch is not stored';
}
send_batch($_) foreach (100) x 6, (7) x 3, 900;
is(sql(shown('batches')), $batches, 'a batch for each datagram');
is(sql(shown('batch_rows_p50 BETWEEN 94 AND 106, batch_rows_p99 BETWEEN 844 AND 956, commit_ms_p50 > 0, commit_ms_p50 <= commit_ms_p99')),
	't|t|t|t', 'percentiles within the error that is documented');
is(sql(shown("newest_time, lag BETWEEN now() - newest_time - '1min'::interval AND now() - newest_time, last_datagram > started")),
	'2023-11-14 22:13:20+00|t|t', 'the newest point, and how far behind it is');
send_text($socket, "b v=1i 1700000001000000000\nb v=\"no\" 1800000000000000000");
++$sent;
wait_for_value($node, shown('stored, rejected, newest_time'), "$sent|1|2023-11-14 22:13:21+00", 'a refused point is not the newest');
is(sql(table_shown('b', 'points, rejects, columns_added, last_insert > now() - interval \'1min\'')), "$sent|1|0|t", 'the table has both counted');

# Only what was committed counts, and not what a subtransaction has taken back.
my $text = q{SELECT insert_lines('public', 'c v=1 1')};
sql("BEGIN; $text; ROLLBACK");
is(sql("SELECT count(*) FROM pg_stat_influx_tables WHERE table_name = 'c'"), '0', 'rolled back: not counted');
sql($text);
sql("BEGIN; $text; SAVEPOINT a; $text; ROLLBACK TO a; SAVEPOINT b; $text; SAVEPOINT c; $text; RELEASE b; COMMIT");
is(sql(table_shown('c', 'points')), '4', 'savepoints');
is(sql('SELECT count(*) FROM c'), '4', 'as many as there are');
sql(q{SELECT insert_lines('public', 'c v=1,w=2,x=3 1')});
is(sql(table_shown('c', 'points, columns_added')), '5|2', 'columns');

# Who sees a table.
sql('CREATE ROLE reader; GRANT SELECT ON b TO reader; CREATE ROLE monitor IN ROLE pg_monitor');
my $names = q{SELECT string_agg(table_name, ',' ORDER BY table_name) FROM pg_stat_influx_tables};
is(sql("SET ROLE reader; $names"), 'b', 'who may select from it');
is(sql("SET ROLE monitor; $names"), 'b,c', 'and pg_monitor');
is(error_of($node, "SET ROLE $_->[0]; SELECT $_->[1]")->{sqlstate}, '42501', "$_->[0]: no $_->[1]")
  foreach [ 'reader', 'count(*) FROM pg_stat_influx' ], [ 'monitor', 'pg_stat_influx_reset()' ];
sql('DROP TABLE c');
is(sql($names), 'b', 'a dropped table is gone');

# A reset under load: what is shown adds up at any time.
my $sender = start_sender(port => $port, rate => 20_000, line => sub { $_[0] % 5 ? "load n=$_[0]i" : 'load n=oops' });
wait_for_value($node, "SELECT count(*) > 0 FROM load", 't', 'load comes in');
sql(<<SQL);
CREATE TABLE looks (lines bigint, stored bigint, rejected bigint, waiting bigint);
DO \$\$ BEGIN
  FOR look IN 1 .. 200 LOOP
    PERFORM pg_stat_influx_reset();
    FOR again IN 1 .. 20 LOOP
      INSERT INTO looks SELECT lines, stored, rejected, waiting FROM pg_stat_influx WHERE port = $port;
    END LOOP;
  END LOOP;
END \$\$;
SQL
is(sql('SELECT count(*), bool_and(lines = stored + rejected + waiting AND least(lines, stored, rejected, waiting) >= 0) FROM looks'),
	'4000|t', 'the numbers add up behind each reset');
stop_sender($sender);
wait_for_value($node, shown('waiting'), '0', 'all is stored');
sql('SELECT pg_stat_influx_reset()');
is(sql(shown('lines, stored, rejected, rejected_by, datagrams, bytes, batches, batch_rows_p50, commit_ms_p99, stats_reset > started')),
	'0|0|0|{}|0|0|0|||t', 'zero after the reset');
is(sql(table_shown('b', 'points, rejects, columns_added, last_insert')), '0|0|0|', 'of tables too');
($sent, $batches) = (0, 0);
send_batch(10);
is(sql(shown('lines, batches, batch_rows_p50')), '10|1|10', 'and it counts on');

# Through a restart of the listener.
system_or_bail('prlimit', '--pid', $pid, '--nofile=1:');
kill 'HUP', $pid;
wait_for_value($node, shown("state, pid <> $pid"), 'listening|t', 'it is started again');
is(sql(shown('stored, batches, batch_rows_p50, restarts, last_error_sqlstate')), '10|1|10|1|XX000', 'the numbers are kept');

# The summary: only while it is on, and something was done.
my $offset = log_size($node);
configure($node, 'influx.log_interval' => 1);
send_batch(3);
wait_for_log($node, qr/LOG:  influx: in the last \d+ s: 1 datagrams received, 3 lines, 3 points stored, 0 lines refused, 0 datagrams lost, 0 datagrams turned away; 0 lines waiting\n/,
	$offset, 'a summary is logged');
configure($node, 'influx.log_interval' => undef);

# Notifications: with the commit, and the limit of the server kept.
my $columns = join(',', map { 'a_long_name_of_a_column_for_a_long_notification_' . $_ . '=1' } 100 .. 400);
my ($status, $output) = $node->psql('postgres', <<SQL);
LISTEN influx; SET client_min_messages = warning; LOAD 'influx'; SET influx.notify = on;
BEGIN; SELECT insert_lines('public', 'undone v=1 1'); ROLLBACK;
SELECT insert_lines('public', E'n"\\u00e4 v=1 1');
SELECT insert_lines('public', E'n"\\u00e4 v=1,w=2,x=3 1');
SELECT insert_lines('public', 'wide $columns 1');
SQL
is($status, 0, 'nothing is raised');
my @payloads = $output =~ /with payload "(\{.*\})" received/g;
is(scalar @payloads, 3, 'one for each change that was committed');
is($payloads[0], qq({"event": "table", "schema": "public", "table": "n\\"\xc3\xa4", "columns": ["time", "v"]}), 'a table');
is($payloads[1], qq({"event": "column", "schema": "public", "table": "n\\"\xc3\xa4", "columns": ["w", "x"]}), 'columns');
cmp_ok(length $payloads[2], '<', 8000, 'one that is too long is cut');
my ($more) = $payloads[2] =~ /\], "more": (\d+)\}$/;
is(($more // 0) + (() = $payloads[2] =~ /a_long_name/g), 301, 'and tells how many are left out');

# The server can refuse notifications when the transaction commits, as a deferred trigger can: no line is lost.
configure($node, 'influx.notify' => 'on');
sql(<<'SQL');
CREATE TABLE made (id int); CREATE SEQUENCE attempts;
CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  IF nextval('public.attempts') = 1 THEN RAISE 'the queue is full' USING ERRCODE = '54000'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER is_full AFTER INSERT ON made DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION is_full();
CREATE FUNCTION note_table() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.made VALUES (1); END $$;
CREATE EVENT TRIGGER note_table ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION note_table();
SQL
$offset = log_size($node);
send_text($socket, 'full v=1i');
wait_for_value($node, 'SELECT count(*) FROM "full"', '1', 'a full queue costs no line');
wait_for_log($node, qr/WARNING:  influx: nobody is notified of new tables and columns for a minute: the queue is full/, $offset, 'the log tells');

# The function of version 1.0.
sql('DROP EVENT TRIGGER note_table; CREATE DATABASE old');
$node->safe_psql('old', "CREATE EXTENSION influx VERSION '1.0'");
is($node->safe_psql('old', "SELECT state, stored, restarts, last_error ~ ' \\(SQLSTATE XX000\\)\$' FROM influx_workers() WHERE port = $port"),
	'listening|14|1|t', 'a database with version 1.0 has its function');

# Transactions in two phases count when they are committed, in whatever session, and not before.
configure($node, 'influx.notify' => 'off');
sub prepare { return sql("BEGIN; SELECT insert_lines('public', '$_[1]'); PREPARE TRANSACTION '$_[0]'"); }
sql("SELECT insert_lines('public', E'phases v=1')");
prepare('kept', q(phases v=2,w=2));
is(sql(table_shown('phases', 'points, columns_added')), '1|0', 'what is prepared does not count yet');
sql("COMMIT PREPARED 'kept'");
is(sql(table_shown('phases', "points, columns_added, last_insert > now() - '1h'::interval")), '2|1|t', 'it does when it is committed');
is(sql(table_shown('phases', 'points, columns_added')), '2|1', 'once');
prepare('undone', 'phases v=3');
sql("ROLLBACK PREPARED 'undone'");
prepare('first', 'phases v=4');
prepare('second', 'phases v=5');
prepare('third', 'phases v=6');
sql("COMMIT PREPARED 'second'; COMMIT PREPARED 'third'; ROLLBACK PREPARED 'first'");
sql("BEGIN; SAVEPOINT s; SELECT insert_lines('public', 'phases v=7'); ROLLBACK TO s; SELECT insert_lines('public', 'phases v=8'); PREPARE TRANSACTION 'parts'");
sql("COMMIT PREPARED 'parts'");
is(sql(table_shown('phases', 'points')), '5', 'what is rolled back does not, all or a part');
is(sql('SELECT count(*) FROM phases'), '5', 'as many as there are');
prepare('reset', 'phases v=9');
sql("SELECT pg_stat_influx_reset(); COMMIT PREPARED 'reset'");
is(sql(table_shown('phases', 'points')), '1', 'one that is committed after a reset counts after it');
# Many that nobody has looked at: the room of those that have ended is used again.
my @names = map { "breadth$_" } 1 .. 600;
sql(join('', map { "CREATE TABLE $_ (time timestamptz, v float8);" } @names));
my $lines = join('\n', map { "$_ v=1" } @names);
foreach my $round (1 .. 8)
{
	sql("BEGIN; SELECT insert_lines('public', E'$lines'); PREPARE TRANSACTION 'breadth'");
	sql("COMMIT PREPARED 'breadth'");
}
is(sql("SELECT count(*), min(points), max(points) FROM pg_stat_influx_tables WHERE table_name ~ '^breadth'"), '600|8|8', 'none is left out');

done_testing();
