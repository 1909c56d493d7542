# The accounts of four listener processes while everything around them changes: tables of nine kinds are altered,
# replaced, locked and read, statements are cancelled, the configuration is read again, processes are told to end.
# Each line that was sent is in exactly one place at the end: a row, a refused line, or what is counted as lost.
#
# INFLUX_CHAOS_ROUNDS, INFLUX_CHAOS_SEED: how many rounds, and which ones.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{INFLUX_CHAOS_ROUNDS} // 500;
my $seed   = $ENV{INFLUX_CHAOS_SEED} // time;
srand($seed);
diag("INFLUX_CHAOS_ROUNDS=$rounds INFLUX_CHAOS_SEED=$seed");

my $node = new_node('chaos', <<'CONF');
shared_preload_libraries = 'influx'
influx.databases = 'postgres'
influx.restart_time = 1
influx.batch_timeout = '20ms'
influx.lock_timeout = '100ms'
influx.rejects = table
influx.max_rejects = 1000000
influx.max_reject_rate = 1000000
CONF

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A session whose deadline is that of each query, not of all of them.
sub new_session
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->set_query_timer_restart;
	return $session;
}
my $driver = new_session();
sub ask { return $driver->query_safe($_[0]); }

# --- tables ---------------------------------------------------------------------------------------

# Rows leave a table by way of the archive only.
sql(<<'SQL');
CREATE SCHEMA chaos;
CREATE TABLE archive (n bigint);
CREATE DOMAIN even_or_odd AS text DEFAULT 'odd' CHECK (VALUE <> 'neither');
CREATE FUNCTION refuse_some() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.n % 11 = 0 THEN RAISE EXCEPTION 'not this one' USING ERRCODE = '23514'; END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION into_base() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO chaos.seen_base VALUES (NEW.time, NEW.host, NEW.n, NEW.v); RETURN NEW; END $$;
SQL

# By kind of table: how it is made. One without is made by the listeners.
my %kinds = (
	plain => undef,
	keyed => 'CREATE TABLE chaos.keyed (time timestamptz, host text, n bigint, v bigint, PRIMARY KEY (time, host))',
	parts => 'CREATE TABLE chaos.parts (time timestamptz, host text, n bigint, v bigint) PARTITION BY RANGE (time);'
	  . 'CREATE TABLE chaos.parts_default PARTITION OF chaos.parts DEFAULT',
	documents => 'CREATE TABLE chaos.documents (time timestamptz, _tags jsonb, _fields jsonb)',
	checked => 'CREATE TABLE chaos.checked (time timestamptz, host text, n bigint, v bigint, CHECK (n % 7 <> 0))',
	seen => 'CREATE TABLE chaos.seen_base (time timestamptz, host text, n bigint, v bigint);'
	  . 'CREATE VIEW chaos.seen AS SELECT * FROM chaos.seen_base;'
	  . 'CREATE TRIGGER into_base INSTEAD OF INSERT ON chaos.seen FOR EACH ROW EXECUTE FUNCTION into_base()',
	triggered => 'CREATE TABLE chaos.triggered (time timestamptz, host text, n bigint, v bigint);'
	  . 'CREATE TRIGGER refuse_some BEFORE INSERT ON chaos.triggered FOR EACH ROW EXECUTE FUNCTION refuse_some()',
	domains => 'CREATE UNLOGGED TABLE chaos.domains (time timestamptz, host text, n bigint, v bigint, kind even_or_odd,'
	  . ' twice bigint GENERATED ALWAYS AS (n * 2) STORED)',
	heirs => 'CREATE TABLE parent (time timestamptz, host text, n bigint); CREATE TABLE chaos.heirs (v bigint) INHERITS (parent)',
);
my @kinds = sort keys %kinds;
is(scalar @kinds, 9, 'nine kinds of tables');
sql($_) foreach grep { defined } @kinds{@kinds};

# The column of a row that tells which line it was.
sub number_of { return $_[0] eq 'documents' ? "(_fields->>'n')::bigint" : 'n'; }

# Those whose columns are changed while lines come in, and that are replaced.
my @altered  = qw(plain keyed parts checked triggered domains);
my @replaced = qw(plain documents checked);

# --- listeners ------------------------------------------------------------------------------------

my @ports = (free_udp_port(), free_udp_port());
sql("SELECT listener_create('chaos_$_', 'chaos', $ports[$_], workers => 2)") foreach 0, 1;
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE state = 'listening'}, 4, 'four processes listen');
my @sockets = map { my $port = $_; map { udp($port) } 1 .. 8 } @ports;

my $per_datagram = 5;
my ($datagrams, $number) = (0, 0);

sub send_some
{
	foreach (1 .. 10)
	{
		my @lines;
		foreach (1 .. $per_datagram)
		{
			my $table = $kinds[ rand @kinds ];
			my $n = ++$number;
			my $time = (1_700_000_000_000_000 + $n) * 1000;
			my $value = rand() < 0.02 ? 'oops' : rand() < 0.02 ? '"text"' : int(rand 1000) . 'i';
			my $more = rand() < 0.1 && $table ne 'seen' && $table ne 'heirs' ? ',f' . int(rand 12) . '=1i' : '';
			push @lines, "$table,host=h" . $n % 5 . " n=${n}i,v=$value$more $time";
		}
		# No other process may have taken the port while its listener was down: the socket then tells of it once.
		my $text = join("\n", @lines);
		my $socket = $sockets[ rand @sockets ];
		$socket->send($text) // $socket->send($text) // die "could not send: $!";
		++$datagrams;
	}
	return;
}

# Nothing is on its way: each datagram has been received or dropped.
sub all_received
{
	return $node->poll_query_until('postgres', 'SELECT sum(datagrams) + sum(kernel_drops) FROM pg_stat_influx', $datagrams);
}

sub a_listener
{
	my @pids = split /\n/, ask(q{SELECT pid FROM pg_stat_influx WHERE state = 'listening'});
	return $pids[ rand @pids ];
}

# --- what happens ---------------------------------------------------------------------------------

my @holders = map { { session => new_session(), busy => 0 } } 1 .. 3;

# Begins a transaction that holds something, for a few rounds; nothing where all are at it.
sub hold
{
	my ($statement) = @_;
	my ($holder) = grep { !$_->{busy} } @holders;
	return unless defined $holder;
	# A lock that cannot be had at once is not worth a round.
	$holder->{session}->query("BEGIN; SET LOCAL lock_timeout = '300ms'; $statement;");
	$holder->{session}->{stderr} = '';
	$holder->{busy} = 1 + int(rand 6);
	return;
}

sub let_go
{
	foreach my $holder (grep { $_->{busy} } @holders)
	{
		next if --$holder->{busy} > 0 && !$_[0];
		$holder->{session}->query('COMMIT;');
		$holder->{session}->{stderr} = '';
		$holder->{busy} = 0;
	}
	return;
}

# Some of this meets a lock, or what another round has left; then nothing happens.
my %failures;
sub change
{
	my ($statement) = @_;
	$driver->query("SET lock_timeout = '300ms'; $statement;");
	++$failures{$1} while $driver->{stderr} =~ /ERROR:  (.*)/g;
	$driver->query('ROLLBACK;') if $driver->{stderr} =~ /ERROR/;
	$driver->{stderr} = '';
	return;
}

my %done;
my @happenings = (
	[ 12, add_column => sub { change("ALTER TABLE chaos.$_[0] ADD COLUMN x" . int(rand 4) . ' int DEFAULT 5') } ],
	[ 10, drop_column => sub { change("ALTER TABLE chaos.$_[0] DROP COLUMN IF EXISTS " . (rand() < 0.5 ? 'x' : 'f') . int(rand 4)) } ],
	[ 4, drop_value => sub { change("ALTER TABLE chaos.$_[0] DROP COLUMN IF EXISTS v") } ],
	[ 6, retype => sub { change("ALTER TABLE chaos.$_[0] ALTER COLUMN v TYPE " . (qw(numeric bigint float8 text))[ rand 4 ] . ' USING NULL') } ],
	[ 4, index => sub { change("CREATE INDEX ON chaos.$_[0] (n)") } ],
	[ 3, vacuum => sub { change("VACUUM (ANALYZE) chaos.$_[0]") } ],
	[ 4, rename => sub { change("BEGIN; ALTER TABLE chaos.$_[0] RENAME TO away; ALTER TABLE chaos.away RENAME TO $_[0]; COMMIT") } ],
	[ 2, rename_at_once => sub { change('BEGIN; ALTER SCHEMA chaos RENAME TO away; ALTER SCHEMA away RENAME TO chaos; COMMIT') } ],
	[ 3, privileges => sub { change("GRANT SELECT ON chaos.$_[0] TO PUBLIC; REVOKE SELECT ON chaos.$_[0] FROM PUBLIC") } ],
	[ 3, domain => sub { change(q{ALTER DOMAIN even_or_odd SET DEFAULT '} . (rand() < 0.5 ? 'even' : 'odd') . q{'}) } ],
	[ 14, lock => sub { hold("LOCK TABLE chaos.$_[0] IN " . (rand() < 0.5 ? 'ACCESS EXCLUSIVE' : 'SHARE') . ' MODE') } ],
	[ 10, read => sub { hold("SELECT count(*) FROM chaos.$_[0]") } ],
	[ 8, cancel => sub { change('SELECT pg_cancel_backend(' . a_listener() . ')') } ],
	[ 5, reload => sub { change('ALTER SYSTEM SET influx.batch_size = ' . (1 + int(rand 500)) . '; SELECT pg_reload_conf()') } ],
	[ 3, override => sub { change(q{SELECT listener_alter('chaos_} . int(rand 2) . q{', batch_timeout => '} . (5 + int(rand 40)) . q{ms')}) } ],
);

# Takes the rows of a table away with it; the listeners, or this, make another one.
sub replace
{
	my ($table) = @_;
	my $column = number_of($table);
	my $made = $kinds{$table} // '';
	change("BEGIN; LOCK TABLE chaos.$table; INSERT INTO archive SELECT $column FROM chaos.$table; DROP TABLE chaos.$table; $made; COMMIT");
	return;
}

# While nothing is on its way: what would come in behind the last look of a process ends with its socket.
sub terminate
{
	all_received() or return;
	my $pid = a_listener();
	ask("SELECT pg_terminate_backend($pid)");
	wait_gone($pid);
	return;
}

push @happenings, [ 6, replace => sub { replace($replaced[ rand @replaced ]) } ], [ 4, terminate => \&terminate ];
my $weights = 0;
$weights += $_->[0] foreach @happenings;

foreach my $round (1 .. $rounds)
{
	send_some();
	let_go();
	my $at = rand $weights;
	foreach my $happening (@happenings)
	{
		my ($weight, $name, $run) = @$happening;
		$at -= $weight;
		next if $at >= 0;
		$run->($altered[ rand @altered ]);
		++$done{$name};
		last;
	}
}
let_go(1);

# --- the account ----------------------------------------------------------------------------------

ok(all_received(), 'each datagram was received, or dropped by the kernel') or diag(sql('SELECT * FROM pg_stat_influx'));
wait_for_value($node, q{SELECT count(*) FROM pg_stat_influx WHERE state = 'listening'}, 4, 'four processes listen again');
wait_for_value($node, 'SELECT sum(waiting) FROM pg_stat_influx', 0, 'nothing waits');
diag(join(', ', map { "$_ $done{$_}" } sort keys %done));
diag("failed: $failures{$_} x $_") foreach sort keys %failures;
diag(sql(q{SELECT string_agg(format('%s: %s lines, %s stored, %s rejected %s, %s lost', pid, lines, stored, rejected, rejected_by, lost_lines), E'\n')
	FROM pg_stat_influx}));
diag(sql(q{SELECT string_agg(format('refused %s %s: %s', n, sqlstate, reason), E'\n') FROM
	(SELECT count(*) AS n, sqlstate, left(reason, 60) AS reason FROM influx_rejects GROUP BY 2, 3) AS s}));
is(scalar(grep { $done{ $_->[1] } } @happenings), scalar @happenings, 'all kinds of things have happened') if $rounds >= 500;

is(sql('SELECT count(*) FROM pg_stat_influx WHERE lines <> stored + rejected + waiting + lost_lines'), 0,
	'of each process, lines = stored + rejected + waiting + lost');
is(sql("SELECT sum(lines) + $per_datagram * sum(kernel_drops) FROM pg_stat_influx"), $number, "all $number lines are counted");

my $rows = join ' UNION ALL ', 'SELECT n FROM archive', map { 'SELECT ' . number_of($_) . " FROM chaos.$_" } @kinds;
sql("CREATE TABLE kept AS $rows");
is(sql('SELECT count(*) = count(DISTINCT n) FROM kept'), 't', 'no line is stored twice');
is(sql('SELECT (SELECT count(*) FROM kept) - sum(stored) FROM pg_stat_influx'), 0, 'the tables hold what is counted as stored');
# What was lost may be among the refused lines: on the way out, what can be is written there.
sql(q{CREATE TABLE refused AS SELECT substring(convert_from(line, 'UTF8') FROM ' n=(\d+)i')::bigint AS n FROM influx_rejects});
is(sql('SELECT count(*) FROM refused JOIN kept USING (n)'), 0, 'no line is both stored and refused');
is(sql('SELECT count(*) = count(DISTINCT n) FROM refused'), 't', 'no line is refused twice');
is(sql('SELECT (SELECT count(*) FROM refused) BETWEEN sum(rejected) AND sum(rejected + lost_lines) FROM pg_stat_influx'), 't',
	'the refused lines are those that are counted');
is( sql("SELECT $number - (SELECT count(*) FROM kept) - (SELECT count(*) FROM refused)"
		  . " BETWEEN 0 AND sum(lost_lines) + $per_datagram * sum(kernel_drops) FROM pg_stat_influx"),
	't', 'and what is nowhere is what is counted as lost');
is(sql('SELECT sum(restarts) > 0 FROM pg_stat_influx'), 't', 'processes have ended') if $done{terminate};
unlike(log_since($node, 0), qr/was terminated by signal|PANIC/, 'no process has crashed');

$_->{session}->quit foreach @holders;
$driver->quit;
$node->stop;
done_testing();
