# Hypertables of TimescaleDB, made by a function _create: what a listener stores there is what was sent, over many
# chunks, by both ways in which rows are handed over, with columns that are added, rows that are refused, chunks
# that are dropped meanwhile, and a key. The plans of the server tell which way was taken.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => 'the server has no TimescaleDB' unless -f "$share/extension/timescaledb.control";

my $node = new_node('hypertable', <<'END');
shared_preload_libraries = 'timescaledb, auto_explain'
auto_explain.log_min_duration = 0
END
my $day = 86_400;
my $start = 1_700_006_400;    # midnight, by UTC

sub sql { return $node->safe_psql('postgres', "SET timezone = 'UTC';\n$_[0]"); }

# A time in the line protocol's nanoseconds.
sub stamp { my ($days, $seconds) = @_; return ($start + $days * $day + ($seconds // 0)) . '000000000'; }

sub chunks { return sql("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_name = '$_[0]'"); }

# Whether a plan that inserts into the table reads its rows like this; a test.
sub wait_for_plan
{
	my ($table, $scan, $offset, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_log($node, qr/Query Text: INSERT INTO \w+\.$table\b[^\n]*\n(?:\t[^\n]*\n)*?[^\n]*\Q$scan\E/, $offset, $name);
}

# The listener is nobody special; TimescaleDB lets the owner of a table make it a hypertable.
sql(<<'SQL');
SET client_min_messages = error;
CREATE EXTENSION timescaledb;
CREATE ROLE gauge LOGIN;
CREATE SCHEMA metrics AUTHORIZATION gauge;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO gauge;
SET ROLE gauge;
CREATE FUNCTION metrics._create(metric name, tags name[], fields name[]) RETURNS regclass
LANGUAGE plpgsql AS $$
DECLARE
    tag name;
BEGIN
    EXECUTE format('CREATE TABLE %I (time timestamptz NOT NULL)', metric);
    FOREACH tag IN ARRAY tags LOOP
        EXECUTE format('ALTER TABLE %I ADD COLUMN %I text', metric, tag);
    END LOOP;
    PERFORM public.create_hypertable(format('%I', metric)::regclass, 'time', chunk_time_interval => interval '1 day');
    RETURN format('%I', metric)::regclass;
END
$$;
SQL
note('TimescaleDB ' . sql(q{SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'}));

foreach my $source (qw(auto arrays))
{
	my $scan = $source eq 'auto' ? 'Named Tuplestore Scan' : 'Function Scan';
	my ($load, $point, $keyed) = map { "${_}_$source" } qw(load point keyed);
	configure($node, 'influx.row_source' => $source);
	my $port = free_udp_port();
	my $offset = log_size($node);
	my $pid = launch($node, $port, schema => 'metrics', role => 'gauge');
	my $socket = udp($port);

	# A table is made, and rows of one batch go to many chunks.
	send_lines($socket, map { sprintf '%s,host=h%d v=%di %s', $load, $_ % 7, $_, stamp($_ % 10, $_) } 1 .. 2000);
	wait_for_rows($node, "metrics.$load", 2000, "$source: lines are stored in a hypertable");
	is(chunks($load), 10, 'with a chunk for each day');
	is( sql("SELECT sum(v), count(DISTINCT host), count(*) FILTER (WHERE extract(epoch FROM time) = $start + v % 10 * $day + v)"
			  . " FROM metrics.$load"),
		'2001000|7|2000', 'with their values');
	is(sql("SELECT count(*) FROM ONLY metrics.$load"), 0, 'none of them is in the table itself');
	wait_for_plan($load, $scan, $offset, "they were read by a $scan");

	# Columns are added to the chunks that are there, and are in those that come.
	send_lines($socket,
		"$load,host=h0,zone=eu v=1i,w=0.5,ok=t,text=\"a b\" " . stamp(3, 5000),
		"$load,host=h0,zone=us v=2i,w=1.5 " . stamp(12, 5000));
	wait_for_value($node, "SELECT string_agg(concat_ws(',', zone, v, w, ok, text), ' ' ORDER BY time) FROM metrics.$load WHERE zone IS NOT NULL",
		'eu,1,0.5,t,a b us,2,1.5', 'columns are added');
	is(chunks($load), 11, 'and a chunk is made');

	# A row that is refused costs no other one.
	sql("ALTER TABLE metrics.$load ADD CONSTRAINT small CHECK (v < 1000000)");
	my $before = sql("SELECT count(*) FROM metrics.$load");
	$offset = log_size($node);
	send_lines($socket, map { sprintf '%s,host=h1 v=%di %s', $load, $_ == 77 ? 1_000_000 : $_, stamp($_ % 5, 6000 + $_) } 1 .. 200);
	wait_for_rows($node, "metrics.$load", $before + 199, 'beside a row that breaks a constraint all others are stored');
	wait_for_log($node, qr/\[$pid\] WARNING:  influx: line refused: new row for relation .* violates check constraint "small".*SQLSTATE 23514/,
		$offset, 'and it is refused with the error');
	is(join('|', refusals($node, $pid, $offset)), '1|0', 'it is the only one');

	# Chunks are dropped while lines for them come in.
	$offset = log_size($node);
	my $sender = start_sender(
		port => $port,
		rate => 4000,
		count => 16_000,
		line => sub { sprintf '%s,host=h%d n=%di %s', $point, $_[0] % 5, $_[0], stamp($_[0] % 4, $_[0]) });
	wait_for_value($node, "SELECT to_regclass('metrics.$point') IS NOT NULL", 't', 'a table is made under load');
	wait_for_value($node, "SELECT count(*) > 100 FROM metrics.$point", 't', 'and filled');
	sql("SELECT public.drop_chunks('metrics.$point', older_than => to_timestamp($start + 2 * $day))") foreach 1 .. 5;
	wait_sender($sender);
	send_text($socket, "$point,host=end n=0i " . stamp(3, 50_000));
	wait_for_value($node, "SELECT count(*) FROM metrics.$point WHERE host = 'end'", 1, 'chunks are dropped under load');
	is(join('|', refusals($node, $pid, $offset)), '0|0', 'no line is refused for that');
	is(sql("SELECT count(*), sum(n) FROM metrics.$point WHERE n % 4 IN (2, 3)"),
		'8000|' . eval { my $sum = 0; $sum += $_ foreach grep { $_ % 4 >= 2 } 1 .. 16_000; $sum },
		'and none of the other chunks is missing');

	# A key: points of the same one are merged, over datagrams and within a batch.
	sql("SET ROLE gauge; CREATE TABLE metrics.$keyed (time timestamptz NOT NULL, host text, v int, w int, PRIMARY KEY (time, host));"
		  . "SELECT public.create_hypertable('metrics.$keyed', 'time', chunk_time_interval => interval '1 day')");
	$offset = log_size($node);
	send_text($socket, join "\n", map { ("$keyed,host=a v=1i " . stamp($_), "$keyed,host=b v=2i " . stamp($_), "$keyed,host=a v=3i " . stamp($_)) } 0 .. 2);
	wait_for_value($node, "SELECT string_agg(concat_ws(',', host, v, w), ' ' ORDER BY time, host) FROM metrics.$keyed",
		'a,3 b,2 a,3 b,2 a,3 b,2', 'a key: the last point of a batch wins');
	send_text($socket, join "\n", map { ("$keyed,host=a w=4i " . stamp($_), "$keyed,host=c w=5i " . stamp($_)) } 0 .. 2);
	wait_for_value($node, "SELECT string_agg(concat_ws(',', host, coalesce(v, 0), w), ' ' ORDER BY time, host) FROM metrics.$keyed",
		'a,3,4 b,2 c,0,5 a,3,4 b,2 c,0,5 a,3,4 b,2 c,0,5', 'and later ones bring their fields');
	wait_for_plan($keyed, $scan, $offset, "by a $scan");
	is(join('|', refusals($node, $pid, $offset)), '0|0', 'none is refused');

	# A chunk that is compressed, where TimescaleDB is of an edition that can do that.
	if (sql('SHOW timescaledb.license') eq 'timescale')
	{
		sql("ALTER TABLE metrics.$load SET (timescaledb.compress, timescaledb.compress_segmentby = 'host')");
		isnt(sql("SELECT count(public.compress_chunk(c)) FROM public.show_chunks('metrics.$load') AS c"), 0, 'chunks are compressed');
		$before = sql("SELECT count(*) FROM metrics.$load");
		send_lines($socket, map { "$load,host=h1 v=1i " . stamp($_, 70_000) } 0 .. 4);
		wait_for_rows($node, "metrics.$load", $before + 5, 'and rows are stored in them');
	}
	else
	{
		like(error_of($node, "SELECT public.compress_chunk(c) FROM public.show_chunks('metrics.$load') AS c")->{message},
			qr/not supported under the current "apache" license/, 'this edition of TimescaleDB compresses nothing');
	}

	# The functions store there as a listener does.
	is(sql("SELECT insert_lines('metrics', '$load,host=sql v=1i " . stamp(20) . "')"), 1, 'insert_lines');
	is(sql("SELECT points = (SELECT count(*) FROM metrics.$load), rejects, columns_added FROM pg_stat_influx_tables"
			  . " WHERE relid = 'metrics.$load'::regclass"),
		't|1|5', 'the table is counted as one');

	sql("SELECT pg_terminate_backend($pid)");
	ok(wait_gone($pid), 'the listener ends');
	like(log_of($node, $pid), qr/stopped: .* 1 lines? refused/, 'and has refused one line of all');
}

unlike(log_since($node), qr/PANIC|terminated by signal|XX000/, 'nothing crashed');
done_testing();
