# Texts of any size: insert_lines, parse_influx and influx_replay take them in parts. They can be interrupted at any time,
# need little memory beside the text, and do what they would do with all of it at once.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes;

my $node = new_node('large_texts', "shared_buffers = 8MB\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

# Three parts by their lines. A string with line feeds in it stands across where a part might be cut.
my $lines = 45_000;
sql(<<SQL);
CREATE SCHEMA m;
CREATE TABLE texts (name text PRIMARY KEY, lines text);
ALTER TABLE texts ALTER COLUMN lines SET STORAGE EXTERNAL;
INSERT INTO texts SELECT 'plain', string_agg(format('t n=%si,s="a' || E'\\n' || 'b" %s', i, i), E'\\n' ORDER BY i) FROM generate_series(1, $lines) AS i;
INSERT INTO texts SELECT 'keys', string_agg(format('k,id=%s %s=%si 0', i % 10, CASE WHEN i % 3 = 0 THEN 'a' ELSE 'b' END, i), E'\\n' ORDER BY i)
  FROM generate_series(1, $lines) AS i;
SQL
is(sql("SELECT insert_lines('m', lines) FROM texts WHERE name = 'plain'"), $lines, 'all lines of a long text are stored');
is(sql('SELECT count(*), count(DISTINCT n), min(n), max(n), count(DISTINCT s) FROM m.t'), "$lines|$lines|1|$lines|1",
	'each of them once');
is(sql("SELECT count(*) FROM m.t WHERE extract(microseconds FROM time) <> n / 1000"), '0', 'with its own time');

# An error behind the first part: the number of the line, and nothing is stored. Each line of the text is two.
my $error = error_of($node, "SELECT insert_lines('m', lines || E'\\nt n=') FROM texts WHERE name = 'plain'");
is($error->{message}, 'invalid line protocol in line ' . (2 * $lines + 1) . ', position 5: missing field value',
	'an error names the line of the whole text');
$error = error_of($node, "SELECT insert_lines('m', lines || E'\\n\\nt n=\"x\"') FROM texts WHERE name = 'plain'");
like($error->{message}, qr/^cannot store line @{[2 * $lines + 2]}: /, 'likewise one of a value');
is(sql('SELECT count(*) FROM m.t'), $lines, 'and nothing of such a text is stored');

# A key that comes in all parts, by each of the settings.
sql('CREATE TABLE m.k (time timestamptz, id text, a bigint, b bigint, PRIMARY KEY (time, id))');
my %expected = (
	# The last line of an id that has the field: i % 10 tells the id, i % 3 the field.
	merge => join("\n", map { my $id = $_; my ($a) = grep { $_ % 10 == $id && $_ % 3 == 0 } reverse $lines - 60 .. $lines;
			my ($b) = grep { $_ % 10 == $id && $_ % 3 } reverse $lines - 60 .. $lines; "$id|$a|$b" } 0 .. 9),
	nothing => join("\n", map { my $i = $_ || 10; "$_|" . ($i % 3 ? "|$i" : "$i|") } 0 .. 9));
foreach my $setting (sort keys %expected)
{
	sql('TRUNCATE m.k');
	is(sql("SET influx.on_conflict = $setting; SELECT insert_lines('m', lines) FROM texts WHERE name = 'keys'"), $lines,
		"$setting: all lines count");
	is(sql('SELECT id, a, b FROM m.k ORDER BY id'), $expected{$setting}, "$setting: the row of each key is as it would be of one part");
}
sql('TRUNCATE m.k');
$error = error_of($node, "SET influx.on_conflict = error; SELECT insert_lines('m', lines) FROM texts WHERE name = 'keys'");
is($error->{sqlstate}, '23505', 'error: it is one');

# Memory: what the call needs beside what a session needs that only reads the text.
my $megabytes = 16;
sql(<<SQL);
INSERT INTO texts SELECT 'large', string_agg(format('large,host=h%s v=%s 1700000000000%s', i % 100, i, lpad(i::text, 6, '0')), E'\\n')
  FROM generate_series(1, 200000) AS i;
UPDATE texts SET lines = repeat(lines || E'\\n', ($megabytes << 20) / octet_length(lines) + 1) WHERE name = 'large';
SQL
sub peak_kilobytes { my ($session) = @_; return $session->query_safe(
	q{SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status') FROM 'VmHWM:\s*(\d+) kB')}); }
my $size = sql("SELECT octet_length(lines) FROM texts WHERE name = 'large'");
cmp_ok($size, '>', $megabytes * 1_000_000, 'the text is large: ' . $size);
my $session = $node->background_psql('postgres');
$session->query_safe("SELECT insert_lines('m', 'large,host=h v=1')");
my $before = peak_kilobytes($session);
my $start = now_seconds();
$session->query_safe("SELECT insert_lines('m', lines) FROM texts WHERE name = 'large'");
my $whole = now_seconds() - $start;
my $taken = (peak_kilobytes($session) - $before) * 1024;
cmp_ok($taken, '<', 4 * $size, sprintf('insert_lines takes %.2f times its text', $taken / $size));
$session->quit;

# Interrupts. What a call would take and what it does take with a timeout differ by so much that no load of the
# machine makes up for it.
sub seconds_of { my ($sql) = @_; my $start = now_seconds(); my $error = error_of($node, $sql); return (now_seconds() - $start, $error); }
my $all_parsed = "SELECT count(*) FROM (SELECT parse_influx(lines) FROM texts WHERE name = 'large') AS p";
my ($parsing) = seconds_of($all_parsed);
sub is_interrupted
{
	my ($name, $sql, $needs) = @_;
	my $timeout = int(100 * $needs);
	my ($took, $error);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	# The rest of the machine may stop all for a while: then once more.
	foreach (1 .. 3)
	{
		($took, $error) = seconds_of("SET statement_timeout = $timeout; $sql");
		last if $took < $needs / 2;
	}
	is($error->{sqlstate}, '57014', "$name: cancelled");
	return cmp_ok($took, '<', $needs / 2, sprintf('%s: after %.2f s of %.2f s, with a timeout of %.2f s', $name, $took, $needs, $timeout / 1000));
}
is_interrupted('parse_influx', $all_parsed, $parsing);
is_interrupted('insert_lines', "SELECT insert_lines('m', lines) FROM texts WHERE name = 'large'", $whole);

# A cancel while a line is mapped, in a function of the user: it ends the call, whatever that would do with an error.
sql(<<'SQL');
CREATE SEQUENCE calls;
CREATE FUNCTION wait_once(v float8) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('calls') = 1 THEN PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(60); END IF;
  RETURN true;
END $$;
CREATE DOMAIN checked AS float8 CHECK (wait_once(VALUE));
CREATE TABLE m.slow (time timestamptz, v checked);
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
SELECT now(), 'm', 1, 'x', 'ns', convert_to('slow v=' || i, 'UTF8'), '00000', 'x' FROM generate_series(1, 25000) AS i;
SQL
is(error_of($node, 'SELECT * FROM influx_replay()')->{sqlstate}, '57014', 'influx_replay: a cancel in a domain ends it');
is(sql('SELECT count(*) FROM influx_rejects'), '25000', 'and no line is taken');
is(sql('SELECT * FROM influx_replay()'), '25000|0', 'the next one stores all, in parts');
is(sql('SELECT count(*), count(DISTINCT v), (SELECT count(*) FROM influx_rejects) FROM m.slow'), '25000|25000|0', 'each once');

# Where a part of them is refused, it is the right ones that stay.
sql(<<'SQL');
CREATE TABLE m.odd (time timestamptz, v bigint CHECK (v % 10000 <> 1));
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
SELECT now(), 'm', 1, 'x', 'ns', convert_to('odd v=' || i || 'i', 'UTF8'), '00000', 'x' FROM generate_series(1, 25000) AS i;
SQL
is(sql('SELECT * FROM influx_replay()'), '24997|3', 'lines that are refused in different parts are told from the others');
is(sql(q{SELECT string_agg(convert_from(line, 'UTF8'), ',' ORDER BY id) FROM influx_rejects}), 'odd v=1i,odd v=10001i,odd v=20001i', 'and stay');

# The same while a table is made, by a function of the user.
sql(<<'SQL');
DELETE FROM influx_rejects;
CREATE FUNCTION m._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_cancel_backend(pg_backend_pid()), pg_sleep(60);
  RETURN NULL;
END $$;
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
VALUES (now(), 'm', 1, 'x', 'ns', 'fresh v=1', '00000', 'x');
SQL
is(error_of($node, 'SELECT * FROM influx_replay()')->{sqlstate}, '57014', 'influx_replay: a cancel in _create ends it');
is(error_of($node, "SELECT insert_lines('m', 'fresh v=1')")->{message}, 'canceling statement due to user request', 'insert_lines likewise');

done_testing();
