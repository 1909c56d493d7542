# What stands against rows, tables and the server while lines come in: refused rows, locked tables, a server
# that can write nothing for a while, limits, and a clock that jumps. Nothing is lost, and nothing stops.
use strict;
use warnings;

use Cwd qw(abs_path);
use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use List::Util qw(shuffle);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

# A clock that tests can shift.
my $clock_file = PostgreSQL::Test::Utils::tempdir() . '/clock';
my $shim = PostgreSQL::Test::Utils::tempdir() . '/shifted_clock.so';
system_or_bail('cc', '-O2', '-Wall', '-shared', '-fPIC', '-o', $shim, "$FindBin::RealBin/preload/shifted_clock.c");
append_to_file($clock_file, pack('q', 0));

sub set_clock
{
	my ($seconds) = @_;
	open(my $file, '+<', $clock_file) or die "open: $!";
	syswrite($file, pack('q', $seconds)) == 8 or die "write: $!";
	close $file;
	return;
}

my $node;
{
	local $ENV{LD_PRELOAD} = $shim;
	local $ENV{INFLUX_TEST_CLOCK} = $clock_file;
	$node = new_node('faults', <<'CONF');
max_locks_per_transaction = 10
max_connections = 20
max_worker_processes = 16
deadlock_timeout = 100ms
CONF
}
my $port = free_udp_port();
my $pid = launch($node, $port);
my $socket = udp($port);
my $session = $node->background_psql('postgres');
$session->set_query_timer_restart;

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub stored { return wait_for_rows($node, @_); }

# Rows that raise, again and again, what reads as an error of the server: they are looked at again at the end.
sql(<<'SQL');
CREATE SCHEMA endless; CREATE TABLE endless.t (time timestamptz, n bigint);
CREATE FUNCTION endless.raises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'wrong for good' USING ERRCODE = '53300'; END $$;
CREATE TRIGGER raises BEFORE INSERT ON endless.t FOR EACH ROW EXECUTE FUNCTION endless.raises();
SQL
my $endless_port = free_udp_port();
my $endless = launch($node, $endless_port, schema => 'endless');
send_text(udp($endless_port), "t n=1i\nother n=1i");
wait_for_log($node, qr/\[$endless\] WARNING:  influx: nothing can be written to table "t" now, its lines wait: wrong for good/, 0,
	'an error of the server, so it seems');

# Fault 1: a row that its table refuses costs that row. Each kind in the middle of a batch.
sql(<<'SQL');
CREATE SEQUENCE statements;
CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$;
CREATE FUNCTION raises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN IF NEW.n = 13 THEN RAISE EXCEPTION 'thirteen' USING ERRCODE = 'P0013'; END IF; RETURN NEW; END $$;
CREATE FUNCTION drops() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'all is wrong' USING ERRCODE = '53300'; END $$;
CREATE DOMAIN small AS bigint CHECK (VALUE < 13);
CREATE TABLE keys (n bigint PRIMARY KEY); INSERT INTO keys SELECT generate_series(1, 12);
CREATE TABLE r_check (time timestamptz, n bigint CHECK (n < 13));
CREATE TABLE r_null (time timestamptz, n bigint, s text NOT NULL);
CREATE TABLE r_domain (time timestamptz, n small);
CREATE TABLE r_foreign (time timestamptz, n bigint REFERENCES keys);
CREATE TABLE r_deferred (time timestamptz, n bigint REFERENCES keys DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE r_unique (time timestamptz, n bigint UNIQUE); INSERT INTO r_unique VALUES (now(), 13);
CREATE TABLE r_trigger (time timestamptz, n bigint);
CREATE TRIGGER raises BEFORE INSERT ON r_trigger FOR EACH ROW EXECUTE FUNCTION raises();
CREATE TABLE r_after (time timestamptz, n bigint);
CREATE CONSTRAINT TRIGGER raises AFTER INSERT ON r_after DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION raises();
CREATE TABLE r_range (time timestamptz, n smallint);
CREATE TABLE r_length (time timestamptz, n varchar(2));
CREATE TABLE r_partition (time timestamptz, n bigint) PARTITION BY RANGE (n);
CREATE TABLE r_partition_1 PARTITION OF r_partition FOR VALUES FROM (1) TO (13);
CREATE TABLE r_good (time timestamptz, n bigint);
SQL
my %bad = (
	check => [ 'n=13i', '23514' ],
	null => [ 'n=13i', '23502', ',s="x"' ],
	domain => [ 'n=13i', '23514' ],
	foreign => [ 'n=13i', '23503' ],
	deferred => [ 'n=13i', '23503' ],
	unique => [ 'n=13i', '23505' ],
	trigger => [ 'n=13i', 'P0013' ],
	after => [ 'n=13i', 'P0013' ],
	range => [ 'n=70000i', '22003' ],
	length => [ 'n="123"', '22001' ],
	partition => [ 'n=13i', '23514' ],
	good => [ "n=1i,s=\"a\0b\"", '22P02' ],
);
my $offset = log_size($node);
configure($node, 'influx.batch_timeout' => "'1s'");
foreach my $n (1 .. 12)
{
	send_lines($socket, map { "r_$_ n=${n}i" . ($bad{$_}[2] // '') } sort keys %bad);
	send_text($socket, join("\n", map { "r_$_ $bad{$_}[0]" } sort keys %bad)) if $n == 6;
}
foreach my $kind (sort keys %bad)
{
	my $expected = $kind eq 'unique' ? 13 : 12;
	stored("r_$kind", $expected, "$kind: the good rows are stored");
}
my $log = log_of($node, $pid, $offset);
my $refused = () = $log =~ /line refused/g;
my ($left_out) = $log =~ /influx: (\d+) more lines refused/;
wait_for_log($node, qr/influx: 2 more lines refused/, $offset, 'all bad ones are refused');
foreach my $kind (grep { $log =~ /r_$_ / } sort keys %bad)
{
	like($log, qr/line refused: [^\n]*\(SQLSTATE $bad{$kind}[1]\)\n[^\n]*r_$kind /, "$kind: with its SQLSTATE");
}
configure($node, 'influx.batch_timeout' => undef);

# One bad row among ten thousand costs a few dozen statements, and ten thousand bad ones do not stop the rest.
sql(<<'SQL');
CREATE TABLE many (time timestamptz, n bigint CHECK (n > 0));
CREATE TRIGGER count_statement BEFORE INSERT ON many EXECUTE FUNCTION count_statement();
SQL
configure($node, 'influx.batch_timeout' => "'1s'");
send_lines($socket, map { 'many n=' . ($_ == 7351 ? 0 : $_) . 'i' } 1 .. 10_000);
stored('many', 9999, 'one bad row in a batch of 10,000: the others are stored');
my $statements = sql('SELECT last_value FROM statements');
cmp_ok($statements, '<=', 60, "by a few dozen statements: $statements");
sql("TRUNCATE many; SELECT setval('statements', 1)");
my $start = now_seconds();
$offset = log_size($node);
send_lines($socket, map { "many n=-${_}i" } 1 .. 10_000);
send_text($socket, 'behind n=1i');
stored('behind', 1, '10,000 bad rows of 10,000: what comes behind them is stored');
ok( poll_until(
		sub {
			my ($single, $more) = refusals($node, $pid, $offset);
			return $single + $more == 10_000;
		}),
	'and all of them are refused');
is(sql('SELECT count(*) FROM many'), '0', 'none is stored');
note(sprintf '%.2f s, %d statements', now_seconds() - $start, sql('SELECT last_value FROM statements'));
configure($node, 'influx.batch_timeout' => undef);

# Fault 3: a locked table costs the time of its own rows, whatever it is that is locked.
sql(<<'SQL');
CREATE TABLE l_table (time timestamptz, n bigint);
CREATE TABLE l_part (time timestamptz, n bigint) PARTITION BY RANGE (n);
CREATE TABLE l_part_1 PARTITION OF l_part FOR VALUES FROM (0) TO (1000000);
CREATE TABLE l_key (n bigint PRIMARY KEY); INSERT INTO l_key VALUES (1);
CREATE TABLE l_foreign (time timestamptz, n bigint, k bigint REFERENCES l_key);
CREATE TABLE free (time timestamptz, n bigint);
SQL
my %locks = (
	l_table => 'LOCK TABLE l_table IN ACCESS EXCLUSIVE MODE',
	l_part => 'LOCK TABLE ONLY l_part_1 IN SHARE MODE',
	l_foreign => 'DELETE FROM l_key',
	new_column => 'LOCK TABLE l_table IN ACCESS SHARE MODE',
);
foreach my $kind (sort keys %locks)
{
	my $table = $kind eq 'new_column' ? 'l_table' : $kind;
	my $more = $kind eq 'new_column' ? ',fresh=1i' : $kind eq 'l_foreign' ? ',k=1i' : '';
	sql("TRUNCATE $table; TRUNCATE free");
	$session->query_safe("BEGIN; $locks{$kind}");
	my $lock_start = now_seconds();
	send_lines($socket, map { ("$table n=${_}i$more", "free n=${_}i") } 1 .. 500);
	stored('free', 500, "$kind: the rows of other tables are stored");
	note(sprintf '%.3f s later', now_seconds() - $lock_start);
	send_lines($socket, map { ("$table n=${_}i$more", "free n=${_}i") } 501 .. 1000);
	stored('free', 1000, "$kind: and so are those behind them");
	is($session->query_safe("SELECT count(*) FROM $table"), '0', "$kind: those of the table wait");
	$session->query_safe('ROLLBACK');
	stored($table, 1000, "$kind: and are stored when it is free");
	is(sql("SELECT count(*) FROM (SELECT n < lag(n) OVER (ORDER BY ctid) AS late FROM $table) AS s WHERE late"),
		'0', "$kind: in order");
}
is(join('|', refusals($node, $pid, log_size($node))), '0|0', 'none was refused');

# With a table that stays locked, the others keep their time: each row is there within a second of being sent,
# however often the table was tried.
$session->query_safe('BEGIN; LOCK TABLE l_table IN ACCESS EXCLUSIVE MODE');
sql('TRUNCATE free');
my $worst = 0;
foreach my $n (1 .. 20)
{
	send_text($socket, "l_table n=${n}i\nfree n=${n}i");
	my $sent_at = now_seconds();
	ok(poll_until(sub { sql('SELECT max(n) FROM free') eq $n }), "row $n of the other table is there") or last;
	my $taken = now_seconds() - $sent_at;
	$worst = $taken if $taken > $worst;
}
note(sprintf 'at most %.3f s', $worst);
cmp_ok($worst, '<', 5, 'and none had to wait for the lock');

# Lines wait up to influx.max_pending; what is more is refused, and counted.
configure($node, 'influx.max_pending' => "'1MB'");
$offset = log_size($node);
my $long = 'x' x 1000;
foreach my $n (1 .. 2000)
{
	send_text($socket, "l_table n=${n}i,s=\"$long\"");
	Time::HiRes::sleep(0.002) if $n % 100 == 0;
}
wait_for_log($node, qr/line refused: the table is locked, and influx\.max_pending allows no more to wait \(SQLSTATE 55P03\)/,
	$offset, 'beyond influx.max_pending lines are refused');
sql('TRUNCATE free');
send_text($socket, 'free n=1i');
stored('free', 1, 'other tables go on');
$session->query_safe('COMMIT');
wait_for_value($node, "SELECT waiting FROM pg_stat_influx WHERE pid = $pid", 0, 'the lock is gone');
ok( poll_until(
		sub {
			my ($single, $more) = refusals($node, $pid, $offset);
			return $single + $more + sql('SELECT count(*) FROM l_table WHERE s IS NOT NULL') == 2000;
		}),
	'stored and refused lines are all that were sent');
configure($node, 'influx.max_pending' => undef);

# No deadlock between eight listeners that add a hundred columns in different orders, and a user's DDL.
sql('CREATE SCHEMA race; CREATE TABLE race.t (time timestamptz, sender bigint, n bigint)');
my @ports = map { free_udp_port() } 1 .. 8;
my @racers = map { launch($node, $_, schema => 'race') } @ports;
$offset = log_size($node);
srand(815);
foreach my $round (0 .. 3)
{
	foreach my $which (0 .. $#ports)
	{
		my $to = udp($ports[$which]);
		my @columns = shuffle(1 .. 100);
		send_text($to, join("\n", map { "t sender=${which}i,n=${round}i,c$_=${_}i" } @columns[ $round * 25 .. $round * 25 + 24 ]));
	}
	sql("BEGIN; ALTER TABLE race.t ADD COLUMN u$round int; ALTER TABLE race.t ALTER n SET DEFAULT $round; COMMIT");
}
stored('race.t', 800, 'eight listeners add a hundred columns, shuffled');
is(sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'race.t'::regclass AND attname ~ '^c[0-9]+\$'"), '100', 'each once');
$log = log_since($node, $offset);
unlike($log, qr/deadlock detected/, 'no deadlock');
unlike(log_of($node, $_, $offset), qr/line refused/, 'no line is refused') foreach @racers;
sql("SELECT pg_terminate_backend(pid) FROM unnest('{" . join(',', @racers) . "}'::int[]) AS pid");
wait_gone($_) foreach @racers;

# Fault 4: a server that may only be read. Lines wait.
$offset = log_size($node);
configure($node, 'default_transaction_read_only' => 'on');
send_text($socket, "ro n=${_}i") foreach 1 .. 10;
wait_for_log($node, qr/WARNING:  influx: nothing can be written now: [^\n]*read-only/, $offset, 'read-only: the listener says so');
send_text($socket, "ro n=${_}i") foreach 11 .. 20;
is(sql("SELECT to_regclass('ro')"), '', 'nothing is written');
configure($node, 'default_transaction_read_only' => undef);
stored('ro', 20, 'all is stored when the server can be written to');
wait_for_log($node, qr/LOG:  influx: writing again after \d+ ms/, $offset, 'and the listener says so');
unlike(log_of($node, $pid, $offset), qr/refused/, 'nothing is refused');

# Fault 5: settings of the role that end other sessions do not concern a listener.
sql(<<'SQL');
CREATE ROLE hasty LOGIN CONNECTION LIMIT 0; CREATE SCHEMA h; GRANT USAGE, CREATE ON SCHEMA h TO hasty;
ALTER ROLE hasty SET statement_timeout = '1ms'; ALTER ROLE hasty SET idle_in_transaction_session_timeout = '1ms';
ALTER ROLE hasty SET idle_session_timeout = '1ms'; ALTER ROLE hasty SET lock_timeout = '1ms';
SQL
sql("ALTER ROLE hasty SET transaction_timeout = '1ms'") if $node->pg_version >= 17;
my $hasty_port = free_udp_port();
my $hasty = sql("SET ROLE hasty; RESET ROLE; GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO hasty;"
	. "SET ROLE hasty; SELECT worker_launch('h', $hasty_port)");
my $to_hasty = udp($hasty_port);
foreach my $part (1 .. 5)
{
	send_lines($to_hasty, map { "t n=${_}i" } 1 .. 2000);
	stored('h.t', 2000 * $part, "a role with timeouts of a millisecond and no connections left: part $part is stored");
}
ok(is_running($hasty), 'and its listener is the same one');
sql("SELECT pg_terminate_backend($hasty)");

# More tables in a batch than the server has locks for.
$offset = log_size($node);
configure($node, 'influx.batch_timeout' => "'2s'");
my $count = q{SELECT sum((xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM lots' || i, false, true, '')))[1]::text::int)};
my $sum = 0;
my $is_stored = sub {
	$sum = 0;
	$sum += $_ foreach map { sql("$count FROM generate_series(" . (1 + 100 * $_) . ', ' . (100 + 100 * $_) . ') AS i') || 0 } 0 .. 14;
	return $sum == 1500;
};
send_lines($socket, map { "lots$_ n=1i" } 1 .. 1500);
wait_for_value($node, "SELECT count(*) FROM pg_class WHERE relname LIKE 'lots%' AND relkind = 'r'", 1500, 'tables are made');
# What waited for its table is written after that.
ok(poll_until($is_stored), 'and filled') or diag("there are $sum rows");
sql(q{DO $$ BEGIN FOR i IN 1 .. 1500 LOOP COMMIT; EXECUTE 'TRUNCATE lots' || i; END LOOP; END $$});
send_lines($socket, map { "lots$_ n=2i" } 1 .. 1500);
ok(poll_until($is_stored), 'with more tables than locks every row is stored') or diag("there are $sum rows");
unlike(log_of($node, $pid, $offset), qr/refused/, 'none is refused');
configure($node, 'influx.batch_timeout' => undef);

# A listener that gets no memory: lines wait until there is some. What a process has got from the system and
# not used yet can be enough for small batches; a trigger needs more than that.
sql('CREATE SCHEMA lean; CREATE TABLE lean.memory (time timestamptz, n bigint)');
sql(q{CREATE FUNCTION lean.fills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM length(repeat('x', 100000000 + (10 * random())::integer)); RETURN NULL; END $$});
sql('CREATE TRIGGER fills AFTER INSERT ON lean.memory FOR EACH STATEMENT EXECUTE FUNCTION lean.fills()');
my $lean_port = free_udp_port();
my $lean = launch($node, $lean_port, schema => 'lean');
configure($node, 'influx.batch_timeout' => "'3s'");
send_text(udp($lean_port), 'memory n=0i');
stored('lean.memory', 1, 'a listener is at work');
$offset = log_size($node);
my ($size) = slurp_file("/proc/$lean/status") =~ /VmSize:\s+(\d+) kB/;
system_or_bail('prlimit', "--pid=$lean", '--as=' . ($size + 1024) * 1024 . ':unlimited');
my $wide = join(',', map { "f$_=\"" . 'y' x 50 . '"' } 1 .. 10);
my $sender = start_sender(port => $lean_port, rate => 10_000, count => 30_000, line => sub { "memory n=$_[0]i,$wide" });
wait_sender($sender);
wait_for_log($node, qr/\[$lean\] WARNING:  influx: nothing can be written now: out of memory/, $offset,
	'without memory the listener waits');
system_or_bail('prlimit', "--pid=$lean", '--as=unlimited:unlimited');
stored('lean.memory', 30_001, 'all is stored when there is memory');
unlike(log_of($node, $lean, $offset), qr/refused|lost/, 'nothing is refused or lost');
ok(is_running($lean), 'by the same listener');
sql("SELECT pg_terminate_backend($lean)");
configure($node, 'influx.batch_timeout' => undef);

# Row after row raises an error that reads as one of the server: it does not stop the others for good.
sql('CREATE TABLE poison (time timestamptz, n bigint); CREATE TRIGGER drops BEFORE INSERT ON poison FOR EACH ROW EXECUTE FUNCTION drops()');
$offset = log_size($node);
send_text($socket, "poison n=1i\nfree n=77i");
wait_for_value($node, 'SELECT count(*) FROM free WHERE n = 77', 1, 'beside rows with such an error others are stored at once');
wait_for_log($node, qr/nothing can be written to table "poison" now, its lines wait: all is wrong/, $offset, 'the error is told');
sql('DROP TRIGGER drops ON poison');
stored('poison', 1, 'and the row is stored when it is gone');

# Fault 7: a clock that jumps, by a day, in both directions.
foreach my $jump (86_400, -86_400, 0)
{
	set_clock($jump);
	sql('TRUNCATE free');
	my $jumped = now_seconds();
	send_text($socket, "free n=1i\nrefused,= n=1i");
	stored('free', 1, "clock off by $jump s: a row is stored");
	cmp_ok(now_seconds() - $jumped, '<', 20, 'in its time');
	is(sql('SELECT abs(extract(epoch FROM time) - extract(epoch FROM clock_timestamp())) < 60 FROM free'), 't',
		'with the time of the clock');
	# What was refused once is not refused for a day.
	sql('DROP TABLE IF EXISTS late_column; CREATE TABLE late_column (time timestamptz)');
	$session->query_safe("CREATE OR REPLACE FUNCTION no_ddl() RETURNS event_trigger LANGUAGE plpgsql AS "
		. "\$\$ BEGIN RAISE EXCEPTION 'no DDL'; END \$\$;");
	sql("CREATE EVENT TRIGGER no_ddl ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION no_ddl()");
	$offset = log_size($node);
	send_text($socket, 'late_column n=1i');
	wait_for_log($node, qr/line refused: no DDL/, $offset, 'a column cannot be added');
	sql('DROP EVENT TRIGGER no_ddl');
	set_clock($jump - 86_400);
	ok( poll_until(
			sub {
				send_text($socket, 'late_column n=1i');
				return sql("SELECT count(*) FROM pg_attribute WHERE attrelid = 'late_column'::regclass AND attname = 'n'");
			}),
		'and can be added a moment later, whatever the clock says');
}

# What reads as an error of the server, and comes from rows, has an end: they are refused.
my $patience = $PostgreSQL::Test::Utils::timeout_default;
ok( poll_until(
		sub { log_of($node, $endless, 0) =~ /line refused: wrong for good \(SQLSTATE 53300\)/ },
		$patience > 120 ? $patience : 120),
	'rows that are never taken are refused in the end');
stored('endless.other', 1, 'the others of their batch are stored');
send_text(udp($endless_port), 'other n=2i');
stored('endless.other', 2, 'and the listener goes on');

unlike(log_since($node, 0), qr/PANIC|terminated by signal|server process/, 'nothing crashed');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), '1', 'one listener did all this');
$session->quit;
done_testing();
