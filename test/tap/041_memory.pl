# What comes from the network cannot take more memory than influx.max_memory allows: new tables of very many
# columns, ever new sets of the columns of a table, very many tables, and short lines that make long rows. All of
# it is stored and counted, those who send as usual go on, and the memory of the listener stays where it is.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

# A budget of 16 MB. Beside it there are the ring with its buffers, what the process has before, what the parser
# and the forms of rows remember, the plan that is being made, and what is free but not given back yet.
my $most = 48 * 1024;
my $node = new_node('memory', "influx.max_memory = 16MB\ninflux.max_pending = 32MB\ninflux.max_ddl_rate = 1000000\nautovacuum = off\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql('CREATE SCHEMA m');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'm');
my $socket = udp($port);
my $sent = 0;
my $peak = 0;

# Resident memory of a process, in kB, without what it shares with others.
sub memory_of
{
	my ($resident) = slurp_file("/proc/$_[0]/status") =~ /^RssAnon:\s+(\d+) kB/m or die "process $_[0] has gone";
	return $resident;
}

sub counters { return sql("SELECT lines, stored, rejected, waiting, kernel_drops FROM pg_stat_influx WHERE pid = $pid"); }

# Sends lines, a datagram each if they are long, never more than the kernel's buffer holds, and looks at the memory
# of the listener until all are stored; a test.
sub attack
{
	my ($name, @texts) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $start = now_seconds();
	while (my @next = splice @texts, 0, 100)
	{
		send_text($socket, $_) foreach @next;
		$sent += $_ foreach map { 1 + tr/\n// } @next;
		poll_until(sub {
			foreach (1 .. 10)
			{
				my $memory = memory_of($pid);
				$peak = $memory if $memory > $peak;
				Time::HiRes::sleep(0.005);
			}
			return counters() eq "$sent|$sent|0|0|0";
		});
	}
	is(counters(), "$sent|$sent|0|0|0", "$name: all lines are stored");
	cmp_ok($peak, '<', $most, "$name: the memory of the listener is bounded");
	note(sprintf '%s: at most %d kB, now %d kB, in %.1f s', $name, $peak, memory_of($pid), now_seconds() - $start);
	return;
}

sub fields { return join ',', map { "f$_=$_" } @_; }
my $honest = 0;
sub honest { $honest++; return "honest,h=a v=${honest}i ${honest}000" }

sql('CREATE TABLE m.honest (time timestamptz, h text, v bigint, PRIMARY KEY (time, h))');
attack('an honest sender', map { honest() } 1 .. 10);

# --- new measurements of very many fields -----------------------------------------------------------------

attack('wide tables', map { ("wide$_ " . fields(1 .. 900) . " $_", honest()) } 1 .. 40);
is(sql('SELECT sum(f1 + f900) FROM (' . join(' UNION ALL ', map { "SELECT f1, f900 FROM m.wide$_" } 1 .. 40) . ') AS w'),
	40 * 901, 'with their values');

# All of their descriptions and plans are asked for by one datagram of a few bytes for each.
attack('wide tables at once', map { join "\n", honest(), map { "wide$_ f1=1 1" } 1 .. 40 } 1 .. 2);

# --- ever new sets of the columns of a table --------------------------------------------------------------

attack('prefixes of fields', map { my $n = 30 * $_; map { "wide$_ " . fields(1 .. $n) . ' ' . 1000 * (1000 + $n) } 1 .. 8 } 1 .. 30);
is(sql('SELECT count(*), count(f30), count(f60), count(f900) FROM m.wide1 WHERE time >= to_timestamp(0.001)'), '30|30|29|1',
	'missing fields are NULL');

# A column with a default is left out where a point has nothing for it, however many sets there are.
sql('CREATE TABLE m.defaults (time timestamptz, d float8 DEFAULT 7, '
	  . join(', ', map { "f$_ float8" } 1 .. 40) . ')');
attack('with a default', map { ("defaults " . fields(1 .. $_) . " $_", "defaults d=1," . fields(1 .. $_) . " $_") } 1 .. 40);
is(sql('SELECT count(*) FILTER (WHERE d = 7), count(*) FILTER (WHERE d = 1), count(f40), count(f39) FROM m.defaults'), '40|40|2|4',
	'the default is what is missing');

# With a key, points update what they bring, and nothing else.
sql('CREATE TABLE m.keyed (time timestamptz, ' . join(', ', map { "f$_ float8" } 1 .. 40) . ', untouched int, PRIMARY KEY (time))');
sql(<<'SQL');
CREATE FUNCTION m.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'touched'; END $$;
CREATE TRIGGER touched BEFORE UPDATE OF untouched ON m.keyed FOR EACH ROW EXECUTE FUNCTION m.refuse();
SQL
attack('with a key', map { 'keyed ' . fields($_ .. 40) . ' 1' } reverse 1 .. 40);
is(sql('SELECT count(*), sum(f1 + f20 + f40), count(untouched) FROM m.keyed'), '1|61|0', 'fields are merged');

# --- short lines, long rows -------------------------------------------------------------------------------

attack('short lines of a wide table', map { join "\n", ('wide1 f900=1 2') x 2000 } 1 .. 40);

# --- many tables ------------------------------------------------------------------------------------------

attack('many tables', map { my $k = $_; join "\n", map { "table$_,h=a v=1,w=2 1" } 50 * $k .. 50 * $k + 49 } 0 .. 13);

attack('the honest sender, at the end', map { honest() } 1 .. 10);
is(sql('SELECT count(*) = max(v) AND count(*) = min(v) + max(v) - 1 FROM m.honest'), 't', 'all of its lines are there');
is(sql("SELECT count(*) FROM m.honest"), $honest, 'each once');

# --- a function of a session ------------------------------------------------------------------------------

# It stores in parts what does not fit into memory, in one transaction, and in the order of the lines.
sql('CREATE TABLE m.parts (time timestamptz, v float8, t text, PRIMARY KEY (time))');
is(sql(<<'SQL'), '80000', 'a large text is stored whole');
SELECT insert_lines('m', (SELECT string_agg(format('parts v=%s,t="%s" %s', i, repeat('x', 400), i % 1000 * 1000), E'\n' ORDER BY i)
	FROM generate_series(1, 80000) AS i))
SQL
is(sql('SELECT count(*), min(v), max(v) FROM m.parts'), '1000|79001|80000', 'the last line of a key wins');

done_testing();
