# Floods of names: tables and columns are made up to the limits and no further, what is within them is stored
# meanwhile, and the memory of a listener does not grow with the number of names it has seen. What a role may
# not do, the network may not do by its listener.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($max_tables, $max_columns) = (50, 100);

my $node = new_node('limits', "influx.max_tables = $max_tables\ninflux.max_columns = $max_columns\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

# A listener for a schema, which is made for it, as a role; returns its pid, its port and a socket to it.
sub listener_for
{
	my ($schema, $role) = @_;
	sql("CREATE SCHEMA IF NOT EXISTS $schema");
	my $port = free_udp_port();
	my $pid = launch($node, $port, schema => $schema, role => $role);
	return ($pid, $port, udp($port));
}

sub wait_for_refusals
{
	my ($pid, $offset, $count, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $refused = 0;
	poll_until(sub { my ($single, $more) = refusals($node, $pid, $offset); $refused = $single + $more; return $refused >= $count; });
	return is($refused, $count, $name);
}

# Resident memory of a process, in kB, without what it shares with others.
sub memory_of
{
	my ($pid) = @_;
	my ($resident) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m or die "process $pid has gone";
	return $resident;
}

sub columns_of
{
	my ($table) = @_;
	return sql("SELECT count(*) FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped");
}

# --- measurements ---------------------------------------------------------------------------------

my $names = 100_000;
my ($pid, $port, $socket) = listener_for('flood');
sql('CREATE TABLE flood.steady (time timestamptz, n bigint)');
my $relations = sql('SELECT count(*) FROM pg_class');

# Every tenth line is for a table that is there; the others have a new name each.
sub flood
{
	my ($prefix) = @_;
	my $sender = start_sender(
		port => $port,
		rate => 30_000,
		count => $names,
		line => sub { return $_[0] % 10 == 0 ? "steady n=$_[0]i" : "$prefix$_[0] v=1i" });
	return wait_sender($sender);
}

my $offset = log_size($node);
flood('first');
wait_for_rows($node, 'flood.steady', $names / 10, 'a table that is there takes its lines during a flood of names');
my $refused = $names * 9 / 10 - ($max_tables - 1);
wait_for_refusals($pid, $offset, $refused, "all lines are refused for which there is no room: $refused");
like(
	log_of($node, $pid, $offset),
	qr/line refused: table "first\d+" does not exist, and influx\.max_tables allows no more \(SQLSTATE 53400\)\n(?:.*\n){2}.*HINT:  Raise influx\.max_tables/,
	'with the reason');
is(sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'flood'::regnamespace AND relkind = 'r'"),
	$max_tables, "there are $max_tables tables");
is(sql('SELECT count(*) FROM pg_class'), $relations + $max_tables - 1, 'and nothing else was made');

my $before = memory_of($pid);
$offset = log_size($node);
flood('second');
wait_for_refusals($pid, $offset, $names * 9 / 10, 'of the next names all are refused');
my $growth = memory_of($pid) - $before;
note("memory of the listener: $before kB, and $growth kB more after $names more lines");
cmp_ok($growth, '<', 2048, 'they leave nothing in the memory of the listener');
is(sql('SELECT count(*) FROM pg_class'), $relations + $max_tables - 1, 'nor in the catalog');

# Room is noticed: a table is dropped, or the limit is raised.
sql('DROP TABLE flood.first1');
ok( poll_until(sub { send_text($socket, 'dropped_one n=1i'); return sql("SELECT to_regclass('flood.dropped_one') IS NOT NULL") eq 't' }),
	'a dropped table makes room for another one');
configure($node, 'influx.max_tables' => $max_tables + 1);
send_text($socket, "raised n=1i\nraised_too n=1i");
wait_for_rows($node, 'flood.raised', 1, 'so does a higher limit');
is(sql("SELECT to_regclass('flood.raised_too') IS NULL"), 't', 'up to the limit');

# --- keys -----------------------------------------------------------------------------------------

my $keys = 10_000;
$offset = log_size($node);
sql('CREATE TABLE flood.spread (time timestamptz)');
send_lines($socket, map { "spread k$_=1i" } 1 .. $keys);
wait_for_refusals($pid, $offset, $keys - ($max_columns - 1), 'lines with keys beyond the limit are refused');
is(columns_of('flood.spread'), $max_columns, "the table has $max_columns columns");
is(sql('SELECT count(*) FROM flood.spread'), $max_columns - 1, 'lines with keys within it are stored');
like(
	log_of($node, $pid, $offset),
	qr/line refused: table "spread" has no column "k\d+", and influx\.max_columns allows no more \(SQLSTATE 54011\)/,
	'with the reason');

# All of them in one line, of three letters each, which is nearly the largest datagram.
my @letters = ('aaa' .. 'zzz');
my $fields = join(',', map { "$_=t" } @letters[ 0 .. $keys - 1 ]);
$offset = log_size($node);
send_text($socket, "spread $fields");
wait_for_refusals($pid, $offset, 1, "a line with $keys new keys is refused");
is(columns_of('flood.spread'), $max_columns, 'and makes no column');
sql('CREATE TABLE flood.loose (_time timestamptz, _fields jsonb)');
send_text($socket, "loose $fields");
wait_for_value($node, 'SELECT count(*) FROM flood.loose, jsonb_object_keys(_fields)', $keys, 'jsonb takes them all');

# The server's own limit; dropped columns count.
configure($node, 'influx.max_columns' => 1600, 'influx.max_tables' => 100);
my $booleans = join(', ', map { "b$_ bool" } 1 .. 1598);
sql("CREATE TABLE flood.nearly (time timestamptz, $booleans)");
sql("CREATE TABLE flood.dropped (time timestamptz, $booleans)");
sql('ALTER TABLE flood.dropped ' . join(', ', map { "DROP b$_" } 1 .. 100));
$offset = log_size($node);
send_text($socket, "$_ b1598=t,one=t\n$_ two=t\n$_ b1598=t") foreach qw(nearly dropped);
wait_for_refusals($pid, $offset, 2, 'beyond 1600 columns a line is refused');
wait_for_rows($node, "flood.$_", 2, "$_: one column more is made") foreach qw(nearly dropped);
is(columns_of('flood.nearly'), 1600, 'to the last one that the server allows');
is(columns_of('flood.dropped'), 1500, 'of which dropped ones are part');

# --- many tables ----------------------------------------------------------------------------------

configure($node, 'influx.max_tables' => 10_000, 'influx.max_columns' => 1000);
sql(<<'SQL');
CREATE FUNCTION tables_of(schema regnamespace) RETURNS SETOF regclass LANGUAGE sql AS
$$ SELECT oid::regclass FROM pg_class WHERE relnamespace = schema AND relkind = 'r' $$;
CREATE FUNCTION rows_of(schema regnamespace) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
	more bigint;
	rows bigint := 0;
BEGIN
	FOR name IN SELECT tables_of(schema) LOOP
		EXECUTE format('SELECT count(*) FROM %s', name) INTO more;
		rows := rows + more;
	END LOOP;
	RETURN rows;
END $$;
-- A few in each transaction: each is locked until its end.
CREATE PROCEDURE drop_all_of(schema regnamespace) LANGUAGE plpgsql AS $$
DECLARE
	name regclass;
	dropped int := 0;
BEGIN
	FOR name IN SELECT tables_of(schema) LOOP
		EXECUTE format('DROP TABLE %s', name);
		dropped := dropped + 1;
		IF dropped % 100 = 0 THEN COMMIT; END IF;
	END LOOP;
END $$;
SQL

# Three lines for each of so many new tables.
sub make_tables
{
	my ($schema, $to, $prefix, $tables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = now_seconds();
	send_lines($to, map { $prefix . $_ % $tables . ",host=a,region=b n=${_}i,v=1.5" } 1 .. 3 * $tables);
	$node->poll_query_until('postgres', "SELECT count(*) FROM tables_of('$schema')", $tables);
	wait_for_value($node, "SELECT rows_of('$schema')", 3 * $tables, "$tables tables are made, with all their rows");
	note(sprintf 'in %.1f s', now_seconds() - $start);
	return;
}

$offset = log_size($node);
my ($many, undef, $many_socket) = listener_for('many');
make_tables('many', $many_socket, 'table', 3000);
note('memory of the listener: ' . memory_of($many) . ' kB');
is(join('|', refusals($node, $many, $offset)), '0|0', 'no line was refused');

# Tables that come and go.
my ($fleeting, undef, $fleeting_socket) = listener_for('fleeting');
foreach my $round (1 .. 6)
{
	make_tables('fleeting', $fleeting_socket, "round${round}_", 500);
	my $memory = memory_of($fleeting);
	note("memory of the listener: $memory kB");
	$before = $memory if $round == 3;
	$growth = $memory - $before;
	sql("CALL drop_all_of('fleeting')");
}
cmp_ok($growth, '<', 10 * 1024, 'dropped tables leave nothing in the memory of the listener');
is(join('|', refusals($node, $fleeting, $offset)), '0|0', 'no line was refused');

# --- names and rights -----------------------------------------------------------------------------

# A listener as a role that may use what it was given, and create nothing.
sql(<<'SQL');
SET client_min_messages = warning;
CREATE ROLE collector LOGIN;
CREATE ROLE stranger;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO collector;
CREATE SCHEMA guarded;
GRANT USAGE ON SCHEMA guarded TO collector;
CREATE TABLE guarded.given (time timestamptz, n bigint);
GRANT INSERT ON guarded.given TO collector;
CREATE TABLE guarded.partly (time timestamptz, n bigint, secret text);
GRANT INSERT (time, n) ON guarded.partly TO collector;
CREATE TABLE guarded.rows (time timestamptz, n bigint);
ALTER TABLE guarded.rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY small ON guarded.rows FOR INSERT WITH CHECK (n < 10);
GRANT INSERT ON guarded.rows TO collector;
CREATE VIEW guarded.part WITH (security_barrier) AS SELECT * FROM guarded.given WHERE n < 100 WITH CHECK OPTION;
GRANT INSERT ON guarded.part TO collector;
SQL
my ($bound, $bound_port, $bound_socket) = listener_for('guarded', 'collector');

# Sends lines of which one is refused, for the reason that the log has to tell.
sub one_refused
{
	my ($text, $reason, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $from = log_size($node);
	send_text($bound_socket, $text);
	wait_for_refusals($bound, $from, 1, "$name: the line is refused");
	my $log = log_of($node, $bound, $from);
	like($log, $reason, "$name: with the reason");
	cmp_ok(length($log), '<', 3000, "$name: at bounded length");
	return;
}

one_refused("partly n=1i\npartly n=2i,secret=\"x\"\npartly n=3i",
	qr/cannot write column "secret": permission to insert into it is denied \(SQLSTATE 42501\)/, 'a column');
one_refused("rows n=1i\nrows n=11i\nrows n=2i",
	qr/new row violates row-level security policy for table "rows" \(SQLSTATE 42501\)/, 'a policy');
one_refused("part n=11i\npart n=111i\npart n=12i", qr/violates check option for view "part" \(SQLSTATE 44000\)/, 'a view');
one_refused("given n=1i\nmissing n=1i", qr/permission denied for schema guarded \(SQLSTATE 42501\)/, 'a missing table');
one_refused("given n=2i\ngiven n=1i,other=1i", qr/must be owner of table given \(SQLSTATE 42501\)/, 'a missing column');
one_refused("given n=3i\ng\xC3\x28ven n=1i", qr/SQLSTATE 22P02/, 'a name that is not UTF-8');
one_refused("given n=4i\ngiven \xED\xA0\x80=1i", qr/SQLSTATE 22P02/, 'a key with half of a surrogate pair');
one_refused("given n=5i\ngiven \xC0\x80=1i", qr/SQLSTATE 22P02/, 'a key with an overlong zero');
one_refused("given n=6i\ngiven a\0b=1i", qr/SQLSTATE 22P02/, 'a key with a zero byte');
one_refused("given n=7i\ngiven " . ('k' x 60_000) . '=1i', qr/has no column "k{100}\.\.\.", and its name is too long for a column \(SQLSTATE 42622\)/, 'a key of 60,000 bytes');
wait_for_value($node, "SELECT (SELECT string_agg(n::text, ',' ORDER BY n) FROM guarded.$_->[0])", $_->[1], "$_->[0]: the other lines are stored")
  foreach [ partly => '1,3' ], [ rows => '1,2' ], [ given => '1,2,3,4,5,6,7,11,12' ];

# A function of a stranger is not run.
sql(<<'SQL');
GRANT USAGE, CREATE ON SCHEMA guarded TO stranger;
SET ROLE stranger;
CREATE FUNCTION guarded._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS
$$ BEGIN RAISE WARNING 'I am %', current_user; RETURN NULL; END $$;
SQL
$offset = log_size($node);
one_refused('missing n=1i', qr/function guarded\._create is not run: its owner is not trusted \(SQLSTATE 42501\)/, 'a function of a stranger');
unlike(log_since($node, $offset), qr/I am/, 'it was not run');
sql('DROP FUNCTION guarded._create(name, name[], name[])');

# A flood of names of which none can have a table.
my $refuse = sub {
	my ($prefix) = @_;
	my $from = log_size($node);
	wait_sender(start_sender(port => $bound_port, rate => 30_000, count => 30_000, line => sub { return "$prefix$_[0] v=1i" }));
	wait_for_refusals($bound, $from, 30_000, 'lines without table are refused');
};
$refuse->('first');
$before = memory_of($bound);
$refuse->('second');
$growth = memory_of($bound) - $before;
cmp_ok($growth, '<', 1024, 'they leave nothing in the memory of the listener');
note("$growth kB more");

is( join(',', sort { $a <=> $b } listeners($node)),
	join(',', sort { $a <=> $b } $pid, $many, $fleeting, $bound),
	'all listeners are still there');

done_testing();
