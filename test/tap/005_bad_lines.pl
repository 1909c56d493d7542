# Bad input: one bad line costs one line, one bad row costs one row, whatever the sender sends; what was
# refused is told in the log at a bounded rate, and the numbers add up.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('bad_lines');
my $port = free_udp_port();
my $pid = launch($node, $port);
my $socket = udp($port);

# The listener is the same process as at the beginning, and works.
my $probes = 0;
sub still_works
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	++$probes;
	send_text($socket, "probe n=${probes}i");
	wait_for_value($node, "SELECT count(*) FROM probe WHERE n = $probes", '1', "$name: the next line is stored");
	is(join(',', listeners($node)), $pid, "$name: by the same process");
	return;
}

# Good, bad, good.
my $offset = log_size($node);
send_text($socket, "mixed,host=a n=1i 1574753954000000000\nmixed,host=b n=oops\nmixed,host=c n=3i 1574753954000000000\n");
wait_for_value($node, 'SELECT string_agg(host, \',\' ORDER BY n) FROM mixed',
	'a,c', 'the good lines around a bad one are stored');
my $log = log_of($node, $pid, $offset);
like($log, qr/WARNING:  influx: line refused: .+ \(SQLSTATE 22P02\)\n/, 'the log has reason and SQLSTATE');
like(
	$log,
	qr/DETAIL:  Datagram from 127\.0\.0\.1:\d+, line 2, position \d+: mixed,host=b n=oops\n/,
	'and sender, line, position and text');
my ($position) = $log =~ /line 2, position (\d+)/;
cmp_ok($position, '>', length('mixed,host=b '), 'the position is in the field');
cmp_ok($position, '<=', length('mixed,host=b n=oops'), 'and in the line');
is(join('|', refusals($node, $pid, $offset)), '1|0', 'one line is refused, and no other');

# Shapes of datagrams.
send_text($socket, 'shape,is=no_newline n=1i');
send_text($socket, "shape,is=newline n=1i\n");
send_text($socket, "shape,is=crlf n=1i\r\nshape,is=crlf n=2i\r\n");
send_text($socket, "\n\n  \n# comment\nshape,is=blank n=1i\n\n");
send_text($socket, '');
send_text($socket, "\n");
send_text($socket, 'shape,is=after_empty n=1i');
wait_for_value(
	$node,
	'SELECT string_agg("is" || count, \',\' ORDER BY "is") FROM (SELECT "is", count(*) FROM shape GROUP BY 1) AS s',
	'after_empty1,blank1,crlf2,newline1,no_newline1',
	'the last newline is optional; empty datagrams and lines do nothing');
is(join('|', refusals($node, $pid, $offset)), '1|0', 'and none of them is an error');

# The largest datagram that UDP over IPv4 can carry.
my $largest = 65_507;
my ($text, $lines) = ('', 0);
while (length($text) + 100 < $largest)
{
	++$lines;
	$text .= "largest,host=a n=${lines}i 1574753954000000000\n";
}
++$lines;
my $last = "largest,host=a n=${lines}i,pad=\"";
$text .= $last . ('x' x ($largest - length($text) - length($last) - 1)) . '"';
is(length($text), $largest, 'a datagram of 65,507 bytes');
send_text($socket, $text);
wait_for_value($node, 'SELECT count(*), count(DISTINCT n), min(n), max(n), count(pad) FROM largest',
	"$lines|$lines|1|$lines|1", "all its $lines lines are stored, to the last byte");
send_text($socket, 'one_line text="' . ('y' x ($largest - 16)) . '"');
wait_for_value($node, 'SELECT length(text) FROM one_line', $largest - 16, 'so is one line of that size');
still_works('largest datagram');

# What was an injection if the line after the error were taken for one: the text of a user, in a string.
$offset = log_size($node);
send_text($socket, "before n=1i\napp load=NaN,msg=\"hello\nfake,host=x v=1\n\"\nbehind n=1i\n");
wait_for_rows($node, 'behind', 1, 'the line behind a bad one with a newline in quotes is stored');
wait_for_rows($node, 'before', 1, 'so is the one before');
is($node->safe_psql('postgres', "SELECT to_regclass('fake') IS NULL AND to_regclass('app') IS NULL"),
	't', 'nothing in the quotes is taken for a line');
is(join('|', refusals($node, $pid, $offset)), '1|0', 'all of it is one refused line');

# Rows that their table refuses.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent VALUES (1);
CREATE TABLE checked (time timestamptz, n bigint CHECK (n < 1000000));
CREATE TABLE required (time timestamptz, n bigint, must text NOT NULL);
CREATE TABLE distinct_rows (time timestamptz, n bigint UNIQUE);
CREATE TABLE referring (time timestamptz, n bigint,
  parent int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE triggered (time timestamptz, n bigint);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF new.n >= 1000000 THEN
    RAISE EXCEPTION 'not this one' USING ERRCODE = 'TX001', HINT = 'send another';
  END IF;
  RETURN new;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON triggered FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE constraint_triggered (time timestamptz, n bigint);
CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON constraint_triggered
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TABLE short_text (time timestamptz, n bigint, name varchar(5));
CREATE TABLE typed (time timestamptz, n bigint, at inet);
CREATE DOMAIN even AS bigint CHECK (VALUE % 2 = 0);
CREATE TABLE domained (time timestamptz, n bigint, e even);
SQL
my @cases = (
	[ 'checked', '', 'n=1000001i', '23514' ],
	[ 'required', 'must="x",', 'n=1000001i', '23502' ],
	[ 'distinct_rows', '', 'n=1i', '23505' ],
	[ 'referring', 'parent=1i,', 'n=1000001i,parent=2i', '23503' ],
	[ 'triggered', '', 'n=1000001i', 'TX001' ],
	[ 'constraint_triggered', '', 'n=1000001i', 'TX001' ],
	[ 'short_text', 'name="abc",', 'n=1000001i,name="abcdef"', '22001' ],
	[ 'typed', 'at="127.0.0.1",', 'n=1000001i,at="here"', '22P02' ],
	[ 'domained', 'e=2i,', 'n=1000001i,e=3i', '23514' ]);
foreach my $case (@cases)
{
	my ($table, $fields, $bad, $sqlstate) = @$case;
	# A listener of its own: none of its reports is left out for those of the case before.
	my $offset = log_size($node);
	my $case_port = free_udp_port();
	my $case_pid = launch($node, $case_port);
	# In one datagram, so that they are in one batch; bad ones in front, in the middle, and at the end. What
	# is unique counts the first, so that the one in front is none there.
	my @rows = map { "$table ${fields}n=${_}i" } 1 .. 1000;
	my $in_front = $table eq 'distinct_rows' ? 0 : 1;
	splice @rows, 500, 0, "$table $bad";
	unshift @rows, "$table $bad" if $in_front;
	push @rows, "$table $bad";
	my $refused = 2 + $in_front;
	send_text(udp($case_port), join("\n", @rows));
	wait_for_value($node, "SELECT count(*), count(DISTINCT n), min(n), max(n) FROM $table",
		'1000|1000|1|1000', "$table: the 1,000 good rows are stored");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($case_pid, 60000)");
	wait_gone($case_pid);
	my $log = log_of($node, $case_pid, $offset);
	my $reports = () = $log =~ /WARNING:  influx: line refused: [^\n]* \(SQLSTATE $sqlstate\)\n/g;
	is($reports, $refused, "$table: the log has SQLSTATE $sqlstate for each bad row");
	is(join('|', refusals($node, $case_pid, $offset)), "$refused|0", "$table: and refuses no other");
	like($log, qr/DETAIL:  Datagram from 127\.0\.0\.1:\d+, line 50\d: \Q$table $bad\E\n/,
		"$table: it shows the line");
	like($log, qr/stopped: 1 datagrams received, 1000 points stored, $refused lines refused, 0 lines lost, 0 datagrams lost/,
		"$table: the totals say the same");
}
still_works('refused rows');

# A bad row of one table costs nothing to the others of its batch.
send_text($socket, join("\n", 'bystander n=1i', 'checked n=1000001i', 'bystander n=2i', 'referring n=5i,parent=7i', 'bystander n=3i'));
wait_for_rows($node, 'bystander', 3, 'other tables of the batch get their rows');

# Every row bad.
$offset = log_size($node);
send_text($socket, join("\n", map { 'checked n=' . (1_000_000 + $_) . 'i' } 1 .. 1000));
ok( poll_until(sub { my ($single, $left_out) = refusals($node, $pid, $offset); $single + $left_out == 1000 }),
	'a batch of bad rows only is refused row by row');
is($node->safe_psql('postgres', 'SELECT count(*) FROM checked'), '1000', 'and stores nothing');

# The log is bounded, and tells how many lines it leaves out.
$offset = log_size($node);
my $start = now_seconds();
my @bad = map { "bad_line,host=a n=nothing$_" } 1 .. 10_000;
send_lines($socket, @bad);
my ($single, $left_out);
ok( poll_until(sub { ($single, $left_out) = refusals($node, $pid, $offset); $single + $left_out >= 10_000 }),
	'10,000 bad lines are told of');
is($single + $left_out, 10_000, 'those reported and those counted add up');
my $seconds = now_seconds() - $start;
cmp_ok($single, '<=', 10 * (int($seconds) + 2), "$single of them are reported by themselves, in $seconds s");
cmp_ok($single, '>', 0, 'but some are');
my $reports = () = log_of($node, $pid, $offset) =~ /WARNING:/g;
cmp_ok($reports, '<=', 11 * (int($seconds) + 2), 'the log does not grow with the number of bad lines');
still_works('many bad lines');

# Noise. After each thousand datagrams a good line is awaited, so that the kernel drops nothing.
srand(20191126);
my @grammar = split //, qq{,= "\\\n\r\t#-.0123456789iueEtTfFmvab\x00\xff\xc3\xa4_'};
my $noise = 0;
foreach my $round (1 .. 10)
{
	foreach (1 .. 1000)
	{
		my $length = 1 + int(rand(300));
		my $datagram =
		  $round % 2
		  ? join('', map { chr(int(rand(256))) } 1 .. $length)
		  : join('', map { $grammar[ rand @grammar ] } 1 .. $length);
		send_text($socket, $datagram);
		++$noise;
	}
	++$probes;
	send_text($socket, "\nprobe n=${probes}i\n");
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM probe WHERE n = $probes")
	  or last;
}
is($noise, 10_000, '10,000 datagrams of noise were sent, and a line after each 1,000 was stored');
still_works('noise');
unlike(log_since($node), qr/PANIC|terminated by signal|stuck|invalid memory alloc/, 'nothing crashed');

# The numbers of the listener add up.
$offset = log_size($node);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
ok(defined wait_gone($pid), 'the listener ends');
my ($refused, $lost) =
  log_of($node, $pid, $offset) =~ /stopped: \d+ datagrams received, \d+ points stored, (\d+) lines refused, 0 lines lost, (\d+) datagrams lost/;
is($lost, 0, 'no datagram was lost');
($single, $left_out) = refusals($node, $pid, 0);
is($refused, $single + $left_out, 'the lines refused are those told of');
my $stored = 0;
my $whole_log = log_since($node);
$stored += $1 while $whole_log =~ /influx: stopped: \d+ datagrams received, (\d+) points stored/g;
my $rows = $node->safe_psql('postgres', <<'SQL');
SELECT sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %s', oid::regclass), false, true, '')))[1]::text::bigint)
FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND relname <> 'parent'
SQL
is($stored, $rows, 'the points stored by all listeners are the rows in all tables');

done_testing();
