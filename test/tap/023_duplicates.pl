# Points of the same key, by listeners: across datagrams, batches and processes, and while keys come and go.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('duplicates');
my $port = free_udp_port();
my $pid = launch($node, $port);
my $socket = udp($port);

sub sql { return $node->safe_psql('postgres', $_[0]); }

# Datagrams and batches of their own.
sql('CREATE TABLE t (time timestamptz, host text, v int, w int, PRIMARY KEY (time, host))');
send_text($socket, 't,host=a v=1i 1000');
wait_for_value($node, 'SELECT host, v, w FROM t', 'a|1|', 'a point is inserted');
send_text($socket, 't,host=a w=2i 1000');
wait_for_value($node, 'SELECT host, v, w FROM t', 'a|1|2', 'another one of its key brings a field');
send_text($socket, "t,host=a v=3i 1000\nt,host=a v=4i 1000\nt,host=b v=5i 1000");
wait_for_value($node, 'SELECT host, v, w FROM t ORDER BY host', "a|4|2\nb|5|", 'the last one wins');

# The setting takes effect at a reload.
configure($node, 'influx.on_conflict' => 'nothing');
send_text($socket, "t,host=a v=6i 1000\nt,host=c v=7i 1000");
wait_for_value($node, 'SELECT host, v FROM t ORDER BY host', "a|4\nb|5\nc|7", 'nothing: the row stays as it is');
configure($node, 'influx.on_conflict' => 'error');
my $offset = log_size($node);
send_text($socket, "t,host=a v=8i 1000\nt,host=d v=9i 1000");
wait_for_value($node, 'SELECT host, v FROM t ORDER BY host', "a|4\nb|5\nc|7\nd|9", 'error: the others are stored');
wait_for_log($node, qr/line refused: duplicate key value .*SQLSTATE 23505/, $offset, 'and the line is refused');
configure($node, 'influx.on_conflict' => undef);

# A key that comes and goes.
sql('CREATE TABLE k (time timestamptz, host text, v int, w int)');
send_text($socket, 'k,host=a v=1i 1000');
wait_for_rows($node, 'k', 1, 'without a key');
sql('CREATE UNIQUE INDEX CONCURRENTLY k_key ON k (time, host)');
send_text($socket, 'k,host=a w=2i 1000');
wait_for_value($node, 'SELECT v, w FROM k', '1|2', 'an index that was made concurrently is used');
sql('DROP INDEX CONCURRENTLY k_key');
send_text($socket, 'k,host=a w=3i 1000');
wait_for_rows($node, 'k', 2, 'one that was dropped is not');

# Keys that come and go while lines come in: none is refused, each key has its last value.
sql('CREATE TABLE busy (time timestamptz, host text, n int, UNIQUE (time, host))');
$offset = log_size($node);
my $sender = start_sender(
	port => $port,
	rate => 5000,
	count => 20_000,
	line => sub { sprintf 'busy,host=h%d n=%di %d', $_[0] % 50, $_[0], 1000 * int($_[0] / 100) });
wait_for_value($node, 'SELECT count(*) > 20 FROM busy', 't', 'lines come in');
foreach my $round (1 .. 5)
{
	sql('CREATE UNIQUE INDEX CONCURRENTLY busy_second ON busy (time, host)');
	sql('ALTER TABLE busy DROP CONSTRAINT busy_time_host_key');
	sql('ALTER TABLE busy ADD CONSTRAINT busy_time_host_key UNIQUE (time, host)');
	sql('DROP INDEX CONCURRENTLY busy_second');
}
wait_sender($sender);
wait_for_value($node, "SELECT sum(stored + rejected) FILTER (WHERE waiting = 0) = 20012 FROM pg_stat_influx", 't', 'all lines are dealt with');
is(join(',', refusals($node, $pid, $offset)), '0,0', 'no line is refused');
is(sql('SELECT count(*), sum(n) FROM busy'), do
	{
		my %last;
		$last{ int($_ / 100) . ' ' . $_ % 50 } = $_ foreach 1 .. 20_000;
		my $sum = 0;
		$sum += $_ foreach values %last;
		scalar(keys %last) . "|$sum";
	}, 'and each key has its last value');

# Two processes that write the same keys in opposite order: both come to an end.
sql('CREATE TABLE pair (time timestamptz, host text, a int, b int, PRIMARY KEY (time, host))');
my $second_port = free_udp_port();
launch($node, $second_port);
my @senders = (
	start_sender(port => $port, rate => 8000, count => 20_000, line => sub { sprintf 'pair,host=h%d a=%di 1000', $_[0] % 1000, $_[0] }),
	start_sender(port => $second_port, rate => 8000, count => 20_000, line => sub { sprintf 'pair,host=h%d b=%di 1000', 999 - $_[0] % 1000, $_[0] }));
wait_sender($_) foreach @senders;
wait_for_value($node, 'SELECT count(*), sum(a), sum(b) FROM pair', '1000|19500500|19500500', 'both have written all');

# Random points give what a simple model gives, whatever plans they go by.
my $seed = $ENV{INFLUX_RANDOM_SEED} // 20261123;
srand($seed);
note("INFLUX_RANDOM_SEED=$seed");
sql(<<'SQL');
CREATE TABLE model (time timestamptz, host text, zone text DEFAULT 'eu', a int, b int, c int DEFAULT 7, _tags jsonb, _fields jsonb,
  UNIQUE NULLS NOT DISTINCT (time, host, zone));
SQL
my (%model, @lines);
foreach my $n (1 .. 5000)
{
	my $time = 1000 * int(rand(5));
	my $host = (undef, qw(x y))[ int(rand(3)) ];
	my $zone = (undef, qw(eu us))[ int(rand(3)) ];
	my @fields = grep { rand() < 0.4 } qw(a b c d e);
	@fields = ('a') unless @fields;
	push @lines, 'model' . (defined $host ? ",host=$host" : '') . (defined $zone ? ",zone=$zone" : '') . ' '
	  . join(',', map { "$_=${n}i" } @fields) . " $time";
	my $row = $model{ join ' ', $time, $host // '', $zone // 'eu' } //= { c => 7 };
	$row->{$_} = $n foreach @fields;
}
send_lines($socket, @lines, 'model,host=end a=1i 1000');
wait_for_value($node, "SELECT count(*) FROM model WHERE host = 'end'", '1', 'random points are stored');
is( sql(<<'SQL'),
SELECT round(extract(epoch FROM time) * 1000000) * 1000, host, zone, a, b, c, _fields->>'d', _fields->>'e' FROM model
 WHERE host IS DISTINCT FROM 'end' ORDER BY time, host COLLATE "C" NULLS FIRST, zone
SQL
	join("\n", map { my $key = $_; join '|', (split / /, $key), map { $model{$key}{$_} // '' } qw(a b c d e) }
		  sort { my @l = split / /, $a; my @r = split / /, $b; $l[0] <=> $r[0] || $l[1] cmp $r[1] || $l[2] cmp $r[2] } keys %model),
	'they are what the model has');

unlike(log_since($node), qr/PANIC|terminated by signal|XX000/, 'nothing crashed');
done_testing();
