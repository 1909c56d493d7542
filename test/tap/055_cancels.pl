# What passes by itself, or is about one row: a cancel ends what is being done, and never the listener, wherever it
# comes; and what a trigger raises as if it were of the moment costs the row for which it does.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $shim = PostgreSQL::Test::Utils::tempdir() . '/cancel_reports.so';
system_or_bail('cc', '-O2', '-Wall', '-shared', '-fPIC', '-o', $shim, "$FindBin::RealBin/preload/cancel_reports.c", '-ldl');

my $node;
{
	local $ENV{LD_PRELOAD} = $shim;
	$node = new_node('cancels', <<'CONF');
influx.batch_timeout = '20ms'
influx.lock_timeout = '50ms'
influx.rejects = table
influx.max_ddl_rate = 20
CONF
}
$node->safe_psql('postgres', 'CREATE SCHEMA m');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'm');
my $socket = udp($port);

# --- A cancel with each report ---------------------------------------------------------------------------------

$node->safe_psql('postgres', 'CREATE TABLE m.locked (time timestamptz, n bigint)');
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE m.locked IN ACCESS EXCLUSIVE MODE');
my $offset = log_size($node);
my $sent = 0;
until (log_since($node, $offset) =~ /table "locked" is locked by another session/)
{
	send_text($socket, 'locked n=' . ++$sent . 'i');
	Time::HiRes::sleep(0.05);
	last if $sent > 1000;
}
cmp_ok($sent, '<=', 1000, 'a report of a locked table meets a cancel');
$holder->query_safe('COMMIT');
$holder->quit;
wait_for_rows($node, 'm.locked', $sent, 'the lines are stored when it is free');
wait_for_log($node, qr/table "locked" is free again/, $offset, 'a report that it is free meets one, with a transaction open');

$offset = log_size($node);
send_lines($socket, map { "new_$_ n=1i" } 1 .. 200);
wait_for_log($node, qr/lines wait for tables and columns/, $offset, 'a report of lines that wait for their turn meets one');
configure($node, 'influx.max_ddl_rate' => 100000);
wait_for_value($node, q{SELECT count(*) FROM pg_class WHERE relname LIKE 'new\_%' AND relkind = 'r'}, 200, 'all tables are made');

configure($node, 'influx.rejects' => 'log');
$offset = log_size($node);
send_text($socket, join "\n", map { ("mixed n=${_}i", "nothing") } 1 .. 30);
wait_for_rows($node, 'm.mixed', 30, 'good lines between refused ones, each told of, are stored');
wait_for_log($node, qr/line refused: /, $offset, 'reports of refused lines meet one each');
configure($node, 'influx.rejects' => q{'table'});
is($node->safe_psql('postgres', "SELECT pid, lines, stored, rejected, waiting, lost_lines FROM pg_stat_influx"),
	join('|', $pid, $sent + 200 + 60, $sent + 200 + 30, 30, 0, 0), 'it is the same process, and nothing is lost');

# --- What one row of many makes a trigger raise ----------------------------------------------------------------

foreach my $sqlstate (qw(40001 40P01 42P10 57014))
{
	my $table = "t_\L$sqlstate";
	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE m.$table (time timestamptz, n bigint);
CREATE FUNCTION m.of_$table() RETURNS trigger LANGUAGE plpgsql AS
  \$\$ BEGIN IF NEW.n = 13 THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '$sqlstate'; END IF; RETURN NEW; END \$\$;
CREATE TRIGGER of_$table BEFORE INSERT ON m.$table FOR EACH ROW EXECUTE FUNCTION m.of_$table();
SQL
	send_text($socket, join "\n", map { "$table n=${_}i" } 1 .. 20);
	wait_for_value($node, "SELECT encode(line, 'escape') FROM influx_rejects WHERE sqlstate = '$sqlstate'", "$table n=13i",
		"$sqlstate: the row is refused that a trigger refuses");
	wait_for_rows($node, "m.$table", 19, "$sqlstate: the others are stored");
}

$node->stop;
done_testing();
