# Names without end: tables and columns are made at a rate, in turn for all senders, and lines for tables that
# are there do not wait for them. What waits takes little more memory than its text.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('ddl_ration', "autovacuum = off\nmax_locks_per_transaction = 256\ninflux.max_ddl_rate = 1\n");
$node->safe_psql('postgres', 'CREATE SCHEMA s');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 's');
my $socket = udp($port);
my $other = udp($port, '127.0.0.1', '127.0.0.2');

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_counted
{
	my ($condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, "SELECT $condition FROM pg_stat_influx WHERE port = $port", 't', $name)
	  || diag(sql("SELECT to_jsonb(w) FROM pg_stat_influx AS w WHERE port = $port"));
}

sub tables { return sql(q{SELECT count(*) FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' AND relname ~ '^n[0-9]'}); }

# 1. The kernel has both datagrams before the listener writes one of them.
my $names = 1000;
sql('CREATE TABLE s.old (time timestamptz, n bigint)');
my $offset = log_size($node);
my $begun = now_seconds();
send_text($socket, join("\n", map { "n$_ v=1i" } 1 .. $names / 2));
send_text($socket, join("\n", map { "n$_ v=1i" } $names / 2 + 1 .. $names));
wait_for_value($node, q{SELECT to_regclass('s.n1') IS NOT NULL}, 't', 'two datagrams with new names come in, and their tables are being made');
send_text($socket, "old n=$_") foreach 1 .. 100;
wait_for_rows($node, 's.old', 100, 'lines for a table that is there are stored');
my $made = tables();
cmp_ok($made, '<', $names, "before all of the new ones are made: $made");
my $seconds = now_seconds() - $begun;
cmp_ok($made, '<=', 2 + $seconds, sprintf('and no more are made than one a second, in %.1f s', $seconds));
wait_counted("lines = $names + 100 AND rejected = 0", 'all were received, none is refused');
wait_for_log($node, qr/\[$pid\] WARNING:  influx: lines wait for tables and columns: influx\.max_ddl_rate allows no more at a time/,
	$offset, 'that lines wait is told');

# 2. Their turn goes round: who needs one table does not wait for all those of another sender.
send_text($other, 'honest v=1i');
send_text($other, 'old v=1i');
wait_for_value($node, q{SELECT to_regclass('s.honest') IS NOT NULL}, 't', 'another sender has its table made');
wait_for_value($node, q{SELECT count(*) FROM pg_attribute WHERE attrelid = 's.old'::regclass AND attname = 'v'}, 1, 'and its column');
$made = tables();
cmp_ok($made, '<', $names, "before all of the first one: $made");
sub is_waiting { return sql("SELECT waiting > 0 FROM pg_stat_influx WHERE port = $port") eq 't'; }
ok(is_waiting(), 'and those wait');

# 3. In the end all of them are there, each with its line.
configure($node, 'influx.max_ddl_rate' => 1_000_000);
wait_counted("waiting = 0 AND stored = $names + 102 AND rejected = 0", 'in the end all lines are stored');
is(tables(), $names, 'with all tables');
is(sql('SELECT count(*) FROM s.honest'), 1, 'each in its own');

# 4. What waits takes little more memory than its text: of many names, and of many tables.
configure($node, 'influx.max_pending' => "'2MB'", 'influx.max_ddl_rate' => 1);
send_text($socket, join("\n", map { "m$_ v=1i" } 1 .. 600));
wait_counted("lines = $names + 102 + 600 AND waiting > 590 AND rejected = 0", 'six hundred names wait in 2 MB');
configure($node, 'influx.max_ddl_rate' => 1_000_000);
wait_counted('waiting = 0', 'and are stored');
configure($node, 'influx.max_pending' => "'1MB'");
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE ' . join(', ', map { "s.m$_" } 1 .. 200) . ' IN ACCESS EXCLUSIVE MODE');
send_text($socket, join("\n", map { ("m$_ v=1i", "m$_ v=2i") } 1 .. 200));
send_text($socket, 'old n=101');
wait_for_rows($node, 's.old', 102, 'two hundred tables are locked');
wait_counted('waiting = 400 AND rejected = 0', 'and their lines wait in 1 MB');
$session->query_safe('COMMIT');
wait_counted('waiting = 0 AND rejected = 0', 'until they are free');
$session->quit;
is(sql('SELECT count(*) FROM s.m200'), 3, 'then they are stored');

# 5. What would take more is refused, and told.
configure($node, 'influx.max_ddl_rate' => 1);
my $long = 'x' x 200;
$offset = log_size($node);
send_text($socket, join("\n", map { "w$_ s=\"$long\"" } 1 .. 250));
send_text($socket, join("\n", map { "x$_ v=1i" } 1 .. 500));
wait_for_log($node, qr/line refused: table "\w+" is missing, and influx\.max_pending allows no more to wait \(SQLSTATE 53400\)/,
	$offset, 'beyond influx.max_pending lines are refused');
wait_counted("stored + waiting + rejected = lines AND (rejected_by->>'limit')::int = rejected", 'as over a limit, and all are counted');

# 6. What finds no room to wait leaves the room that there is to others.
configure($node, 'influx.max_ddl_rate' => 1_000_000);
wait_counted('waiting = 0', 'what waits is stored');
configure($node, 'influx.max_pending' => "'2MB'", 'influx.max_ddl_rate' => 1);
my $columns = join ',', map { "f$_=$_" } 1 .. 900;
send_text($socket, 'first v=1i');
wait_for_value($node, q{SELECT to_regclass('s.first') IS NOT NULL}, 't', 'a table takes what is left of the ration');
my $lines = sql("SELECT lines FROM pg_stat_influx WHERE port = $port");
send_text($socket, "wide$_ $columns") foreach 1 .. 20;
send_text($socket, 'small v=1i');
wait_counted("lines = $lines + 21 AND waiting BETWEEN 1 AND 19", 'not all wide tables have room to wait');
configure($node, 'influx.max_ddl_rate' => 1_000_000);
wait_counted('waiting = 0 AND stored + rejected = lines', 'in the end none waits');
is(sql('SELECT count(*) FROM s.small'), 1, 'and the line of the small one is stored');

# 7. All senders together have four times the share of one: these need a table each, and more than that comes at once.
configure($node, 'influx.max_ddl_rate' => 1);
$offset = log_size($node);
$port = free_udp_port();
my $common = launch($node, $port, schema => 's');
my @senders = map { udp($port, '127.0.0.1', "127.0.1.$_") } 1 .. 60;
send_text($senders[$_], "of_$_ v=1i") foreach 0 .. $#senders;
wait_for_log($node, qr/\[$common\] WARNING:  influx: lines wait for tables and columns: influx\.max_ddl_rate allows no more at a time/,
	$offset, 'beyond what all senders have together lines wait');
configure($node, 'influx.max_ddl_rate' => 1_000_000);
wait_for_value($node, q{SELECT count(*) FROM pg_class WHERE relnamespace = 's'::regnamespace AND relkind = 'r' AND relname ~ '^of_'},
	scalar @senders, 'and have their tables in the end');

# 8. Whatever the ration allows: lines for tables that are there do not wait until all others are made.
sql(<<'SQL');
CREATE SCHEMA slow;
CREATE FUNCTION slow._create(metric name, tags name[], fields name[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE slow.%I (time timestamptz, v bigint)', metric);
	PERFORM pg_sleep(0.02);
END $$;
CREATE TABLE slow.old (time timestamptz, n bigint);
CREATE TABLE made_before (tables bigint);
CREATE FUNCTION count_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.made_before SELECT count(*) FROM pg_class WHERE relnamespace = 'slow'::regnamespace AND relname ~ '^n[0-9]';
	RETURN NULL;
END $$;
CREATE TRIGGER count_made AFTER INSERT ON slow.old FOR EACH STATEMENT EXECUTE FUNCTION count_made();
SQL
$port = free_udp_port();
launch($node, $port, schema => 'slow');
$socket = udp($port);
send_text($socket, join("\n", map { "n$_ v=1i" } 1 .. 200));
wait_for_value($node, q{SELECT to_regclass('slow.n1') IS NOT NULL}, 't', 'tables are made that take their time');
send_text($socket, 'old n=1i');
wait_for_rows($node, 'slow.old', 1, 'a line for a table that is there is stored');
$made = sql('SELECT tables FROM made_before');
cmp_ok($made, '<', 200, "before all of them are made: $made");
wait_for_value($node, q{SELECT count(*) FROM pg_class WHERE relnamespace = 'slow'::regnamespace AND relname ~ '^n[0-9]'}, 200, 'which they are in the end');
ok(is_running($pid), 'the same listener did all this');
done_testing();
