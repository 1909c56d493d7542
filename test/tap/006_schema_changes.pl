# Tables that change: altered, renamed, dropped, made again and replaced, between datagrams and while lines
# come in; several listeners that make tables and columns at once; users who hold locks. No line is lost.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('schema_changes');
my $port = free_udp_port();
my $pid = launch($node, $port);
my $socket = udp($port);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A session whose deadline is that of each query, not of all of them.
sub new_session
{
	my $session = $node->background_psql('postgres');
	$session->set_query_timer_restart;
	return $session;
}

# Sends one line and waits for what a query tells then.
sub after_line
{
	my ($line, $query, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	send_text($socket, $line);
	return wait_for_value($node, $query, $expected, $name);
}

# Between datagrams.
after_line('t,host=a v=1i', 'SELECT host, v FROM t', 'a|1', 'a table is made');
sql('ALTER TABLE t ADD COLUMN extra int DEFAULT 7');
after_line('t,host=b v=2i', 'SELECT extra FROM t WHERE v = 2', '7', 'a column that was added gets its default');
after_line('t,host=b v=3i,extra=9i', 'SELECT extra FROM t WHERE v = 3', '9', 'and takes values');
sql('ALTER TABLE t DROP COLUMN host');
after_line('t v=4i', 'SELECT count(*) FROM t', '4', 'a column is dropped');
after_line('t,host=d v=5i', 'SELECT host FROM t WHERE v = 5', 'd', 'and added again when a tag needs it');
sql('ALTER TABLE t ALTER COLUMN v TYPE text');
after_line('t,host=d v=6i', "SELECT pg_typeof(v) FROM t WHERE v = '6'", 'text', 'a column gets another type');
sql('ALTER TABLE t ALTER COLUMN v TYPE numeric(6,2) USING v::numeric');
after_line('t,host=d v=7.129', 'SELECT v FROM t WHERE v > 7', '7.13', 'and another one');
sql('ALTER TABLE t RENAME COLUMN v TO w');
after_line('t,host=d v=8i', 'SELECT w IS NULL FROM t WHERE v = 8', 't', 'a column is renamed, and made again');
sql('ALTER TABLE t RENAME TO t_old');
after_line('t,host=e v=9i', 'SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM t_old)',
	'1|8', 'a table is renamed, and made again');
sql('DROP TABLE t');
after_line('t,host=f v=10i', 'SELECT host, v FROM t', 'f|10', 'a table is dropped, and made again');
sql('DROP TABLE t; CREATE TABLE t (time timestamptz, v double precision, host text)');
after_line('t,host=g v=11i', 'SELECT host, v FROM t', 'g|11', 'a table is dropped, and made by somebody else');
sql('ALTER TABLE t RENAME TO t_base; CREATE VIEW t AS SELECT * FROM t_base');
after_line('t,host=h v=12i', "SELECT v FROM t_base WHERE host = 'h'", '12', 'a view takes its place');
sql('DROP VIEW t; CREATE MATERIALIZED VIEW t AS SELECT 1 AS v');
my $offset = log_size($node);
send_text($socket, "t,host=i v=13i\nbeside v=1i");
wait_for_rows($node, 'beside', 1, 'where the table cannot take rows, other lines are stored');
like(log_of($node, $pid, $offset), qr/line refused: cannot insert into "t": it is a materialized view \(SQLSTATE 42809\)/,
	'and the line is refused with the reason');
sql('DROP MATERIALIZED VIEW t');
after_line('t,host=j v=14i', 'SELECT host, v FROM t', 'j|14', 'and taken again when that has gone');

# Privileges that come and go: the listener runs as a role of its own.
sql('CREATE ROLE writer LOGIN; CREATE SCHEMA w; GRANT USAGE ON SCHEMA w TO writer;'
	. 'GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO writer;'
	. 'CREATE TABLE w.t (time timestamptz, v bigint)');
my $writer_port = free_udp_port();
my $writer = launch($node, $writer_port, schema => 'w', role => 'writer');
my $to_writer = udp($writer_port);
$offset = log_size($node);
send_text($to_writer, 't v=1i');
wait_for_log($node, qr/\[$writer\] WARNING:  influx: line refused: [^\n]* \(SQLSTATE (42501|55000)\)/, $offset,
	'without INSERT a line is refused');
sql('GRANT INSERT ON w.t TO writer');
send_text($to_writer, 't v=2i');
wait_for_value($node, 'SELECT string_agg(v::text, \',\') FROM w.t', '2', 'and taken when INSERT is granted');

# While lines come in. Everything that a table held before it goes is kept elsewhere, so that all lines can be
# counted.
sql('CREATE TABLE archive (n bigint)');
my $load_port = free_udp_port();
my $loader = launch($node, $load_port);
$offset = log_size($node);
my $sender = start_sender(
	port => $load_port,
	line => sub { "loaded,host=a n=$_[0]i,v=" . ($_[0] % 100) . 'i' },
	rate => 4000,
	lines => 5);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM loaded'), 'lines come in');

# Waits until rows come in after the change, into the relation.
sub goes_on
{
	my ($name, $relation) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = sql('SELECT coalesce(max(n), 0) FROM (SELECT n FROM archive UNION ALL SELECT n FROM ' . $relation . ') AS s');
	ok($node->poll_query_until('postgres', "SELECT coalesce(max(n), 0) > $before FROM $relation"), $name);
	return;
}
foreach my $round (1 .. 3)
{
	sql("ALTER TABLE loaded ADD COLUMN extra$round int DEFAULT $round");
	goes_on("round $round: a column is added", 'loaded');
	sql("ALTER TABLE loaded DROP COLUMN extra$round");
	goes_on("round $round: it is dropped again", 'loaded');
	sql('ALTER TABLE loaded DROP COLUMN v');
	goes_on("round $round: a column that is in use is dropped", 'loaded');
	sql('ALTER TABLE loaded ALTER COLUMN v TYPE ' . (qw(numeric text float8))[ $round - 1 ]);
	goes_on("round $round: a column gets another type", 'loaded');
	sql('CREATE INDEX ON loaded (n); ANALYZE loaded; VACUUM loaded');
	goes_on("round $round: an index is made", 'loaded');
	sql('BEGIN; ALTER TABLE loaded RENAME TO renamed; COMMIT');
	ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM loaded'), "round $round: the table is renamed");
	sql('INSERT INTO archive SELECT n FROM renamed; DROP TABLE renamed');
	sql('BEGIN; LOCK TABLE loaded; INSERT INTO archive SELECT n FROM loaded; DROP TABLE loaded; COMMIT');
	ok($node->poll_query_until('postgres', 'SELECT count(*) > 0 FROM loaded'), "round $round: the table is dropped");
	sql('BEGIN; LOCK TABLE loaded; INSERT INTO archive SELECT n FROM loaded; DROP TABLE loaded;'
		  . 'CREATE TABLE loaded (time timestamptz, v numeric, n bigint, host name); COMMIT');
	goes_on("round $round: the table is dropped and made by somebody else", 'loaded');
	sql('BEGIN; ALTER TABLE loaded RENAME TO loaded_base; CREATE VIEW loaded AS SELECT * FROM loaded_base; COMMIT');
	goes_on("round $round: a view takes its place", 'loaded_base');
	sql('BEGIN; LOCK TABLE loaded; DROP VIEW loaded; ALTER TABLE loaded_base RENAME TO loaded; COMMIT');
	goes_on("round $round: the table is back", 'loaded');
}
my $sent = stop_sender($sender);
wait_for_value(
	$node,
	'SELECT count(*), count(DISTINCT n), min(n), max(n) FROM (SELECT n FROM archive UNION ALL SELECT n FROM loaded) AS s',
	"$sent|$sent|1|$sent",
	"all $sent lines are stored, once");
is(join('|', refusals($node, $loader, $offset)), '0|0', 'none was refused');
ok(is_running($loader), 'the listener is the same one');

# Four listeners, two of them on one port, that make the same tables and columns at once.
sql('CREATE SCHEMA many');
my @ports = (free_udp_port(), free_udp_port(), free_udp_port());
my @many = map { launch($node, $_, schema => 'many') } @ports, $ports[0];
$offset = log_size($node);
srand(4711);
my ($tables, $per_sender, $senders) = (6, 400, 8);
my @senders;
foreach my $which (0 .. $senders - 1)
{
	my @order = shuffle(1 .. $per_sender);
	push @senders, start_sender(
		port => $ports[ $which % @ports ],
		rate => 400,
		lines => 4,
		count => $per_sender,
		line => sub {
			my $n = $order[ ($_[0] - 1) % @order ];
			my @tags = shuffle(map { "tag$_=x" } grep { ($n >> ($_ % 7)) & 1 } 1 .. 12);
			my @fields = shuffle('n=' . $n . 'i', "sender=${which}i", 'field' . ($n % 40) . '=1.5', 'other' . ($n % 17) . '=2i');
			return join(',', 't' . ($n % $tables), @tags) . ' ' . join(',', @fields);
		});
}
wait_sender($_) foreach @senders;
my $total = $per_sender * $senders;
my $all = 'SELECT sender, n FROM many.t' . join(' UNION ALL SELECT sender, n FROM many.t', 0 .. $tables - 1);
wait_for_value($node, "SELECT count(*), count(DISTINCT (sender, n)) FROM ($all) AS s",
	"$total|$total", "all $total lines for new tables and columns are stored, once");
my $log = log_since($node, $offset);
unlike($log, qr/deadlock detected/, 'no deadlock');
is(join(' ', map { join('|', refusals($node, $_, $offset)) } @many), '0|0 0|0 0|0 0|0', 'none was refused');
is((grep { is_running($_) } @many), 4, 'all four listeners live');
is( sql("SELECT count(*) FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'many'::regnamespace"
		  . " AND relkind = 'r' AND attname ~ '^(tag|field|other)' AND atttypid <> CASE left(attname, 3)"
		  . " WHEN 'tag' THEN 'text' WHEN 'fie' THEN 'float8' ELSE 'int8' END::regtype"),
	'0',
	'the columns have the types of their values');

# The same while a user changes the tables, and readers hold them.
my $session = new_session();
@senders = map {
	my $which = $_;
	start_sender(
		port => $ports[ $which % @ports ],
		rate => 1000,
		lines => 4,
		line => sub {
			my $n = $_[0];
			return "c$_[0]k" =~ s/\d+k$/$n % 3/er . " n=${n}i,sender=${which}i,f" . int($n / 50) % 60 . '=1i';
		})
} 0 .. 3;
ok($node->poll_query_until('postgres', 'SELECT count(*) > 50 FROM many.c0'), 'lines come in');
foreach my $round (1 .. 5)
{
	$session->query_safe('BEGIN; SELECT count(*) FROM many.c0; SELECT count(*) FROM many.c2');
	$session->query_safe('COMMIT');
	sql("BEGIN; ALTER TABLE many.c1 ADD COLUMN user$round int; ALTER TABLE many.c1 DROP COLUMN user$round; COMMIT");
	sql("ALTER TABLE many.c2 ADD COLUMN user$round int");
}
$sent = 0;
$sent += stop_sender($_) foreach @senders;
$all = join(' UNION ALL ', map { "SELECT sender, n FROM many.c$_" } 0 .. 2);
wait_for_value($node, "SELECT count(*), count(DISTINCT (sender, n)) FROM ($all) AS s",
	"$sent|$sent", "all $sent lines are stored while a user alters the tables");
unlike(log_since($node, $offset), qr/deadlock detected/, 'no deadlock');
is(join(' ', map { join('|', refusals($node, $_, $offset)) } @many), '0|0 0|0 0|0 0|0', 'none was refused');

# A user's own _create.
sql(<<'SQL');
CREATE SCHEMA own;
CREATE FUNCTION own._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
DECLARE
  columns text;
BEGIN
  SELECT string_agg(format(', %I %s', c, t), '') INTO columns
  FROM (SELECT unnest(tags), 'text' UNION ALL SELECT unnest(fields), 'double precision') AS s (c, t);
  EXECUTE format('CREATE TABLE own.%I (time timestamptz NOT NULL%s) PARTITION BY RANGE (time)', metric, columns);
  EXECUTE format('CREATE TABLE own.%I PARTITION OF own.%I FOR VALUES FROM (%L) TO (%L)',
    metric || '_2019', metric, '2019-01-01 UTC', '2020-01-01 UTC');
  EXECUTE format('CREATE TABLE own.%I PARTITION OF own.%I DEFAULT', metric || '_rest', metric);
  RETURN format('own.%I', metric)::regclass;
END $$;
SQL
my $own_port = free_udp_port();
launch($node, $own_port, schema => 'own');
my $own = udp($own_port);
send_text($own, "p,host=a v=1i 1574753954000000000\np,host=b v=2.5,w=3i 1674753954000000000\n");
wait_for_value($node, 'SELECT (SELECT count(*) FROM own.p_2019), (SELECT count(*) FROM own.p_rest)',
	'1|1', 'the table is made by the _create of the schema, and is partitioned');
is(sql("SELECT relkind FROM pg_class WHERE oid = 'own.p'::regclass"), 'p', 'it is');
is(sql('SELECT host, v, w FROM own.p_rest'), 'b|2.5|3', 'with the values in their columns');
is( sql("SELECT string_agg(format_type(atttypid, atttypmod), ',' ORDER BY attname) FROM pg_attribute"
		  . " WHERE attrelid = 'own.p'::regclass AND attname IN ('v', 'w')"),
	'double precision,double precision', 'and the types that it chose');
send_text($own, 'p,host=c,rack=r1 v=3i 1574753955000000000');
wait_for_value($node, 'SELECT rack FROM own.p_2019 WHERE v = 3', 'r1', 'a partitioned table is extended');

# A lock held by a user delays, and loses nothing.
sql('CREATE TABLE locked (time timestamptz, n bigint)');
foreach my $mode ('ACCESS EXCLUSIVE', 'SHARE')
{
	sql('TRUNCATE locked');
	$offset = log_size($node);
	$session->query_safe("BEGIN; LOCK TABLE locked IN $mode MODE");
	my @lines = map { "locked n=${_}i" } 1 .. 2000;
	send_lines($socket, splice(@lines, 0, 500));
	wait_for_value($node, "SELECT waiting FROM pg_stat_influx WHERE pid = $pid", '500', "$mode: the lines wait");
	send_lines($socket, @lines);
	is($session->query_safe('SELECT count(*) FROM locked'), '0', "$mode: nothing is stored under the lock");
	$session->query_safe('COMMIT');
	wait_for_value($node, 'SELECT count(*), count(DISTINCT n) FROM locked', '2000|2000',
		"$mode: all lines are stored after it");
}

# A user who reads a table keeps it from being extended; the lines wait.
sql('CREATE TABLE read_only_for_now (time timestamptz, n bigint)');
$session->query_safe('BEGIN; SELECT count(*) FROM read_only_for_now');
$offset = log_size($node);
send_lines($socket, map { "read_only_for_now n=${_}i,fresh=1i" } 1 .. 10);
wait_for_value($node, "SELECT waiting FROM pg_stat_influx WHERE pid = $pid", '10', 'lines that need another column wait');
$session->query_safe('COMMIT');
wait_for_value($node, 'SELECT count(fresh) FROM read_only_for_now', '10', 'and adds it then');
$session->quit;

# A transaction that is rolled back has no effect on what is stored.
$session = new_session();
$session->query_safe('BEGIN; CREATE TABLE undecided (time timestamptz, n bigint, kind text)');
send_text($socket, 'undecided n=1i');
wait_for_value($node, "SELECT wait_event_type IS NOT NULL AND state <> 'idle' FROM pg_stat_activity WHERE pid = $pid",
	't', 'a listener waits for a user who makes the same table');
$session->query_safe('ROLLBACK');
$session->quit;
wait_for_rows($node, 'undecided', 1, 'and makes it when the user does not');

# An error while a line is mapped again, in the middle of a write, costs that line only. The trigger makes
# the second table one that cannot be described, so the transaction that has inserted into the first one
# is rolled back; the row has to be inserted again.
sql('CREATE TABLE written_first (time timestamptz, n bigint)');
sql('CREATE TABLE described_again (time timestamptz, n bigint)');
send_text($socket, "written_first n=0i\ndescribed_again n=0i");
wait_for_rows($node, 'written_first', 1, 'the first table is known');
wait_for_rows($node, 'described_again', 1, 'and so is the second');
sql("CREATE TYPE unreadable AS ENUM ('x')");
sql(q{
	CREATE FUNCTION break_other() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		ALTER TABLE described_again ADD COLUMN odd unreadable;
		UPDATE pg_type SET typinput = 0 WHERE typname = 'unreadable';
		RETURN NULL;
	END $$;
	CREATE TRIGGER break_other AFTER INSERT ON written_first EXECUTE FUNCTION break_other();
});
send_text($socket, "written_first n=1i\ndescribed_again n=1i");
wait_for_value($node, 'SELECT count(*) FROM written_first WHERE n = 1',
	'1', 'what was written before the error is stored');
is(sql('SELECT count(*) FROM described_again WHERE n = 1'), '0', 'the line with the error is refused');
sql('DROP TABLE written_first, described_again');

# The schema goes away below a listener, and so does the listener; see 039_gone.pl.
sql('CREATE SCHEMA short_lived');
my $orphan_port = free_udp_port();
my $orphan = launch($node, $orphan_port, schema => 'short_lived');
my $orphan_socket = udp($orphan_port);
send_text($orphan_socket, "known n=1i\nknown n=2i");
wait_for_rows($node, 'short_lived.known', 2, 'a table is made in a schema');
$offset = log_size($node);
sql('SET client_min_messages = warning; DROP SCHEMA short_lived CASCADE');
wait_for_log($node, qr/\[$orphan\] WARNING:  influx: the listener ends: its schema was dropped\n/, $offset,
	'without the schema the listener ends');
ok(defined wait_gone($orphan), 'by itself');

is( sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), '1', 'the first listener is still there');

done_testing();
