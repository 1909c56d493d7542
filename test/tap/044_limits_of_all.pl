# influx.max_tables and influx.max_columns hold over all processes, whoever makes tables at the same time.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use Test::More;

my $most_tables = 50;
my $most_columns = 20;
my $processes = 8;
my $node = new_node('limits_of_all',
	"influx.batch_timeout = 5\ninflux.rejects = off\ninflux.max_tables = $most_tables\ninflux.max_columns = $most_columns\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

my $port = free_udp_port();
sql("CREATE SCHEMA m; CREATE SCHEMA made; CREATE TABLE m.wide (time timestamptz)");
launch($node, $port, schema => 'm') foreach 1 .. $processes;
is(scalar(my @all = listeners($node)), $processes, 'there are eight processes');

# The kernel chooses the process by the sender's port.
my @sockets = map { udp($port) } 1 .. 4 * $processes;
my $names = 0;
sub send_names
{
	foreach my $socket (@sockets)
	{
		send_text($socket, join("\n", map { ++$names; "name$names v=1" } 1 .. 20));
	}
	return;
}
my $count_tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'm'::regnamespace AND relkind = 'r'";
my $largest = 0;
sub see { my ($count) = @_; $largest = $count if $count > $largest; return $count; }
send_names() foreach 1 .. 3;
# Two that make the last one at the same moment may both give way, so names go on coming.
ok(poll_until(sub { send_names(); return see(sql($count_tables)) >= $most_tables; }), 'all tables are made that may be');
send_names() foreach 1 .. 3;
wait_for_value($node, 'SELECT bool_and(waiting = 0) AND sum(lines) > 0 FROM pg_stat_influx', 't', 'all lines are dealt with');
is(see(sql($count_tables)), $most_tables, "of $names names exactly so many have a table");
is($largest, $most_tables, 'and there never were more');
cmp_ok(sql('SELECT count(*) FROM pg_stat_influx WHERE stored > 0'), '>', 1, 'more than one process has made them');

# Columns of one table.
my $keys = 0;
my $width = "SELECT relnatts FROM pg_class WHERE oid = 'm.wide'::regclass";
$largest = 0;
sub send_keys
{
	foreach my $socket (@sockets)
	{
		send_text($socket, join("\n", map { ++$keys; "wide key$keys=1" } 1 .. 3));
	}
	return;
}
send_keys() foreach 1 .. 3;
ok(poll_until(sub { send_keys(); return see(sql($width)) >= $most_columns; }), 'all columns are made that may be');
send_keys() foreach 1 .. 3;
wait_for_value($node, 'SELECT bool_and(waiting = 0) FROM pg_stat_influx', 't', 'all lines are dealt with');
is(see(sql($width)), $most_columns, "of $keys keys exactly so many have a column");
is($largest, $most_columns, 'and there never were more');

# A session that has made tables, and does not commit: they count, and nobody waits for it.
sql('SELECT pg_terminate_backend(pid) FROM pg_stat_influx');
ok(poll_until(sub { listener_count($node) == 0 }), 'the processes have ended');
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; SELECT insert_lines('made', string_agg(format('held%s v=1', i), E'\\n')) FROM generate_series(1, 48) AS i");
is(sql("SELECT insert_lines('made', E'one v=1\\ntwo v=1')"), 2, 'another session makes tables beside one that does not commit');
my $error = error_of($node, "SELECT insert_lines('made', 'three v=1')");
is($error->{sqlstate}, '53400', 'up to the limit, with those that are not committed') or diag explain $error;
like($error->{message}, qr/table "three" does not exist, and influx\.max_tables allows no more/, 'which the error tells');
$session->query_safe('ROLLBACK');
is(sql("SELECT insert_lines('made', 'three v=1')"), 1, 'when these are gone there is room');

# A function of the user may make others with its table, as before; they count for the next.
sql(<<'SQL');
CREATE SCHEMA own;
CREATE FUNCTION own._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE own.%I (time timestamptz, v float8)', metric);
  EXECUTE format('CREATE TABLE own.%I (time timestamptz, v float8)', metric || '_beside');
  RETURN format('own.%I', metric)::regclass;
END $$;
SQL
is(sql("SELECT insert_lines('own', string_agg(format('pair%s v=1', i), E'\\n')) FROM generate_series(1, 24) AS i"), 24, '_create makes two tables each');
sql('CREATE TABLE own.single (time timestamptz)');
is(sql("SELECT insert_lines('own', 'last v=1')"), 1, 'and two where there is room for one');
is(error_of($node, "SELECT insert_lines('own', 'none v=1')")->{sqlstate}, '53400', 'and then none');

$session->quit;
done_testing();
