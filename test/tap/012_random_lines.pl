# Random lines: whatever comes, nothing crashes, each statement ends well or by an expected error, and a
# listener has stored or refused each line. What is stored is what parse_influx reads.
#
# INFLUX_RANDOM_SEED and INFLUX_RANDOM_CASES repeat a run, or make it another or a longer one.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use RandomLines;
use Test::More;

my $seed = $ENV{INFLUX_RANDOM_SEED} // 20191126;
my $cases = $ENV{INFLUX_RANDOM_CASES} // 1200;
srand($seed);
my $repeat = "INFLUX_RANDOM_SEED=$seed INFLUX_RANDOM_CASES=$cases";
note($repeat);
END { diag("To repeat this: $repeat") if $? != 0 || !Test::More->builder->is_passing; }
cmp_ok(read_corpus(), '>=', 40, 'there is a corpus');

# What docs/mapping.md names for tables that were made by the extension.
my %expected_state = map { $_ => 1 } qw(22P02 22003 42701 42939 42622 42809 54011 42703);

my $node = new_node('random_lines');
create_database($node, 'ascii', "TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'");

# --- functions ------------------------------------------------------------------------------------

# A key or value in one row of a table and in a point: equal, or equal to what the column's type reads.
my $helpers = <<'SQL';
CREATE SCHEMA helpers;
CREATE TABLE helpers.texts (number serial, raw bytea);
CREATE FUNCTION helpers.is_same(stored text, sent text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
    IF stored = sent THEN RETURN true; END IF;
    BEGIN
        IF stored::float8 = sent::float8 THEN RETURN true; END IF;
    EXCEPTION WHEN data_exception THEN NULL;
    END;
    BEGIN
        RETURN stored::boolean = sent::boolean;
    EXCEPTION WHEN data_exception THEN RETURN false;
    END;
END $$;

-- Whether a row of a table in layout "columns" is the point.
CREATE FUNCTION helpers.is_point(stored jsonb, sent jsonb, at timestamptz) RETURNS boolean LANGUAGE sql AS $$
    SELECT (stored->>'time')::timestamptz = at
       AND (SELECT count(*) FROM jsonb_each(stored - 'time') WHERE value <> 'null')
           = (SELECT count(*) FROM jsonb_object_keys(sent))
       AND NOT EXISTS (SELECT FROM jsonb_each_text(sent) AS s
                       WHERE helpers.is_same(stored->>s.key, s.value) IS NOT TRUE)
$$;

-- The tables of a schema by name, as rows.
CREATE FUNCTION helpers.stored(namespace text) RETURNS TABLE (metric text, content jsonb) LANGUAGE plpgsql AS $$
DECLARE
    name name;
BEGIN
    FOR name IN SELECT relname FROM pg_class WHERE relnamespace = namespace::regnamespace AND relkind = 'r' LOOP
        RETURN QUERY EXECUTE format('SELECT %L::text, to_jsonb(r.*) FROM %I.%I AS r', name, namespace, name);
    END LOOP;
END $$;

-- The points of a text; none where a line of it is malformed, or where it is no text.
CREATE FUNCTION helpers.points(raw bytea) RETURNS TABLE (metric text, at timestamptz, tags jsonb, fields jsonb)
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY SELECT * FROM public.parse_influx(convert_from(raw, getdatabaseencoding()));
EXCEPTION WHEN data_exception THEN RETURN;
END $$;

-- Reads and stores a text, and looks what is stored then. What is told begins with "wrong" where it is.
CREATE FUNCTION helpers.try(raw bytea, namespace text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    lines text;
    parsed bigint;
    stored bigint;
    parsing text := '00000';
    storing text := '00000';
    point record;
    row_of_point record;
BEGIN
    BEGIN
        lines := convert_from(raw, getdatabaseencoding());
    EXCEPTION WHEN data_exception THEN RETURN 'no text';
    END;
    BEGIN
        SELECT count(*) INTO parsed FROM public.parse_influx(lines);
    EXCEPTION WHEN OTHERS THEN parsing := SQLSTATE;
    END;
    BEGIN
        stored := public.insert_lines(namespace::regnamespace, lines);
    EXCEPTION WHEN OTHERS THEN storing := SQLSTATE;
    END;
    IF parsing <> '00000' AND storing = '00000' THEN RETURN 'wrong: what is malformed is stored'; END IF;
    IF storing <> '00000' THEN RETURN parsing || ' ' || storing; END IF;
    IF parsed <> stored THEN RETURN 'wrong: other numbers of points are parsed and stored'; END IF;
    CREATE TEMP TABLE found ON COMMIT DROP AS SELECT row_number() OVER () AS number, * FROM helpers.stored(namespace);
    FOR point IN SELECT * FROM helpers.points(raw) LOOP
        SELECT * INTO row_of_point FROM found
         WHERE metric = point.metric
           AND CASE WHEN content ? '_fields' AND content ? '_tags' AND content ? '_time'
                    THEN (content->>'_time')::timestamptz = point.at
                         AND coalesce(nullif(content->'_tags', 'null'), '{}') = point.tags
                         AND content->'_fields' = point.fields
                    ELSE helpers.is_point(content, point.tags || point.fields, point.at) END
         LIMIT 1;
        IF NOT FOUND THEN RETURN 'wrong: not stored as parsed: ' || point::text; END IF;
        DELETE FROM found WHERE number = row_of_point.number;
    END LOOP;
    IF EXISTS (SELECT FROM found) THEN RETURN 'wrong: more is stored than was parsed'; END IF;
    DROP TABLE found;
    FOR point IN SELECT relname FROM pg_class WHERE relnamespace = namespace::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('DELETE FROM %I.%I', namespace, point.relname);
    END LOOP;
    RETURN '00000 00000';
END $$;
SQL

# Puts texts into a table of the database, from where the functions take them.
sub keep
{
	my ($database, @texts) = @_;
	my $values = join ",\n", map { "('\\x" . unpack('H*', $_) . "')" } @texts;
	$node->safe_psql($database, "TRUNCATE helpers.texts RESTART IDENTITY; INSERT INTO helpers.texts (raw) VALUES $values");
	return;
}

my %seen;
foreach my $database (qw(postgres ascii))
{
	$node->safe_psql($database, $helpers);
	foreach my $layout (qw(columns json))
	{
		$node->safe_psql($database, "CREATE SCHEMA $layout");
		my @texts = map { random_text() } 1 .. $cases / 4;
		keep($database, @texts);
		# A statement each, with a transaction each.
		my $script = join '', map { "SELECT $_, helpers.try(raw, '$layout') FROM helpers.texts WHERE number = $_;\n" } 1 .. @texts;
		my ($status, $output, $errors) = $node->psql($database, "SET influx.layout = $layout;\n$script",
			on_error_stop => 0);
		is($errors, '', "$database, $layout: no statement fails");
		my @answers = split /\n/, $output;
		is(scalar @answers, scalar @texts, "$database, $layout: each statement has an answer");
		foreach (@answers)
		{
			my ($number, $answer) = split /\|/, $_, 2;
			++$seen{$answer};
			next if $answer eq 'no text';
			my @states = $answer =~ /^(\w{5}) (\w{5})$/;
			next if @states && !grep { $_ ne '00000' && !$expected_state{$_} } @states;
			fail("$database, $layout, text $number: $answer");
			diag(unpack('H*', $texts[ $number - 1 ]), "\n", $texts[ $number - 1 ]);
			# What it left behind is in the way of those that follow.
			last;
		}
	}
}
note("$_: $seen{$_}") foreach sort keys %seen;
cmp_ok($seen{'00000 00000'}, '>', $cases / 20, 'many texts are stored');
cmp_ok($seen{'22P02 22P02'}, '>', $cases / 20, 'many are malformed');

# --- listeners ------------------------------------------------------------------------------------

# One gets a schema where tables are in columns, one such where they are in json.
my @listeners;
foreach my $layout (qw(columns json))
{
	$node->safe_psql('postgres', <<SQL);
CREATE ROLE by_$layout LOGIN SUPERUSER;
ALTER ROLE by_$layout SET influx.layout = $layout;
CREATE SCHEMA heard_$layout;
SQL
	my $port = free_udp_port();
	my $pid = launch($node, $port, schema => "heard_$layout", role => "by_$layout");
	push @listeners, { layout => $layout, schema => "heard_$layout", pid => $pid, socket => udp($port), offset => log_size($node) };
}

# Waits until the listeners have stored what was sent before.
my $probes = 0;
sub catch_up
{
	++$probes;
	foreach my $listener (@listeners)
	{
		send_text($listener->{socket}, "probe n=${probes}i 1574753954000000000");
		++$listener->{sent};
		++$listener->{lines};
		my $number = $listener->{layout} eq 'json' ? "(_fields->>'n')::int" : 'n';
		$node->poll_query_until('postgres',
			"SELECT count(*) = 1 FROM $listener->{schema}.probe WHERE $number = $probes")
		  or die "listener $listener->{pid} does not store any more";
	}
	return;
}

# First single lines, of which each that is not empty is a point or is refused. Then texts without
# malformed lines, of which it is known how many points they have.
my @single = grep { !/^ *(?:#.*)?\r?$/ && length } map { random_line() } 1 .. $cases;
my @texts = map { join "\n", map { random_line() } 1 .. 3 } 1 .. $cases;
keep('postgres', @texts);
my %points = map { split /\|/ } split /\n/, $node->safe_psql('postgres',
	'SELECT number, n FROM helpers.texts, LATERAL (SELECT count(*) AS n FROM helpers.points(raw)) AS p WHERE n > 0');
my @good = map { $texts[ $_ - 1 ] } sort { $a <=> $b } keys %points;
my $good_points = 0;
$good_points += $_ foreach values %points;
cmp_ok(scalar @good, '>', $cases / 20, 'there are texts of many lines that are well-formed');

my @datagrams = (@single, @good);
foreach my $i (0 .. $#datagrams)
{
	send_text($_->{socket}, $datagrams[$i]) foreach @listeners;
	catch_up() if $i % 50 == 49;
}
catch_up();
keep('postgres', @datagrams, map { "probe n=${_}i 1574753954000000000" } 1 .. $probes);

foreach my $listener (@listeners)
{
	my ($layout, $schema, $pid) = @$listener{qw(layout schema pid)};
	is(join(',', grep { $_ == $pid } listeners($node)), $pid, "$layout: the listener is the same one");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
	ok(defined wait_gone($pid), "$layout: it ends");
	my $log = log_of($node, $pid, $listener->{offset});
	my ($received, $stored, $refused, $lost) =
	  $log =~ /stopped: (\d+) datagrams received, (\d+) points stored, (\d+) lines refused, 0 lines lost, (\d+) datagrams lost/;
	is($received, @datagrams + $listener->{sent}, "$layout: each datagram is received");
	is($lost, 0, "$layout: none is lost");
	is($stored + $refused, @single + $good_points + $listener->{lines}, "$layout: each line is stored or refused");
	is($node->safe_psql('postgres', "SELECT count(*) FROM helpers.stored('$schema')"),
		$stored, "$layout: each point stored is a row");
	my @states = grep { !$expected_state{$_} } $log =~ /line refused: .* \(SQLSTATE (\w{5})\)\n/g;
	is("@states", '', "$layout: lines are refused for expected reasons");
}

# In json a table takes each point whose measurement can be a name. The time of those that have none is not
# that of parse_influx.
my $difference = <<'SQL';
WITH expected AS (
    SELECT metric, CASE WHEN at BETWEEN now() - interval '1 day' AND now() + interval '1 day' THEN NULL ELSE at END AS at, tags, fields
      FROM helpers.texts, helpers.points(raw) WHERE octet_length(metric) < 64
), stored AS (
    SELECT metric,
           CASE WHEN (content->>'_time')::timestamptz BETWEEN now() - interval '1 day' AND now() + interval '1 day' THEN NULL
                ELSE (content->>'_time')::timestamptz END AS at,
           coalesce(nullif(content->'_tags', 'null'), '{}') AS tags, content->'_fields' AS fields
      FROM helpers.stored('heard_json')
)
(SELECT 'missing', e.* FROM (TABLE expected EXCEPT ALL TABLE stored) AS e LIMIT 5)
UNION ALL
(SELECT 'too many', s.* FROM (TABLE stored EXCEPT ALL TABLE expected) AS s LIMIT 5)
SQL
is($node->safe_psql('postgres', $difference), '', 'what is stored in json is what parse_influx reads');

unlike(log_since($node), qr/PANIC|terminated by signal|server process \(PID|XX000|invalid memory alloc|stuck/,
	'nothing crashed');

done_testing();
