# Databases in other encodings: what arrives is UTF-8, and is stored in the encoding of the database; what
# cannot be said in it costs its line only. Names are converted as values are.
use strict;
use warnings;
use utf8;

use Encode qw(encode_utf8);
use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('encoding');
foreach my $encoding (qw(LATIN1 SQL_ASCII))
{
	create_database($node, lc $encoding,
		"TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
}

# LATIN1.
my $port = free_udp_port();
my $pid = launch($node, $port, database => 'latin1');
my $socket = udp($port);
sub send_utf8 { return send_text($socket, encode_utf8($_[0])); }
sub value
{
	my ($query, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, $query, $expected, $name, 'latin1');
}

my $offset = log_size($node);
send_utf8(qq{text,tag=Köln n=1i,s="Straße"\ntext,tag=Praha n=2i,s="€"\ntext,tag=Łódź n=3i,s="x"\ntext,tag=Århus n=4i,s="naïve"\n});
# convert_to gives the bytes in the database's own encoding.
value("SELECT string_agg(n || ' ' || encode(convert_to(tag, 'LATIN1'), 'hex') || ' ' || encode(convert_to(s, 'LATIN1'), 'hex'), ',' ORDER BY n) FROM text",
	'1 4bf66c6e 53747261df65,4 c5726875 73 6e61ef7665' =~ s/ 73 /73 /r,
	'values are converted, those that cannot be cost their lines');
my $log = log_of($node, $pid, $offset);
is(join('|', refusals($node, $pid, $offset)), '2|0', 'which are two');
like($log, qr/line refused: character with byte sequence 0xe2 0x82 0xac in encoding "UTF8" has no equivalent in encoding "LATIN1" \(SQLSTATE 22P05\)/,
	'the log tells which character has no equivalent');
like($log, qr/line 2: text,tag=Praha n=2i,s="\\xe2\\x82\\xac"\n/, 'and shows the line in ASCII');

# Names.
send_utf8(qq{größe,höhe=ß tiefe_ü=1.5\n});
value(
	"SELECT encode(convert_to(relname, 'LATIN1'), 'hex') || ' ' ||"
	  . " (SELECT string_agg(encode(convert_to(attname, 'LATIN1'), 'hex'), ',' ORDER BY attnum) FROM pg_attribute"
	  . " WHERE attrelid = pg_class.oid AND attnum > 1)"
	  . " FROM pg_class WHERE relname LIKE 'gr%' AND relkind = 'r'",
	'6772f6df65 68f66865,74696566655ffc',
	'names of tables and columns are converted');
send_utf8(qq{größe,höhe=ä tiefe_ü=2.5\n});
value("SELECT count(*) FROM \"gr\" || chr(246) || chr(223) || 'e'" =~ s/FROM.*/FROM (SELECT (xpath('\/row\/c\/text()', query_to_xml(format('SELECT count(*) AS c FROM %I', relname), false, true, '')))[1]::text::int AS c FROM pg_class WHERE relname LIKE 'gr%' AND relkind = 'r') AS s WHERE c = 2/r,
	'1', 'and found again');

# 40 characters are 80 bytes of UTF-8, too many for a name, and 40 bytes of LATIN1.
my $long = 'ü' x 40;
send_utf8("$long v=1i\n");
value("SELECT count(*) FROM pg_class WHERE relname = repeat(chr(252), 40)", '1',
	'the length of a name is that in the encoding of the database');

# Names that cannot be converted.
$offset = log_size($node);
send_utf8(qq{good n=1i\nпогода n=1i\ngood n=2i\ngood,ключ=a n=3i\ngood n=4i,поле=1i\nnew_one,ключ=a n=5i\ngood n=6i\n});
value('SELECT string_agg(n::text, \',\' ORDER BY n) FROM good', '1,2,6', 'names that cannot be converted cost their lines');
is(join('|', refusals($node, $pid, $offset)), '4|0', 'which are four');
$log = log_of($node, $pid, $offset);
my @unsayable = $log =~ /line refused: ([^\n]*)/g;
like($_, qr/encod/, "the reason is the encoding: $_") foreach @unsayable;
unlike($log, qr/too long/, 'and not the length');
is( $node->safe_psql('latin1', "SELECT to_regclass('new_one') IS NULL"),
	't', 'no table is made for a line that cannot be stored');

# A bad line after a good one whose table is new, and jsonb.
$node->safe_psql('latin1', 'CREATE TABLE as_json (_time timestamptz, _tags jsonb, _fields jsonb)');
$offset = log_size($node);
send_utf8(qq{as_json,straße=Köln größe="ß",n=1i\nas_json,t=a s="€"\nas_json,t=b s="\\"é"\n});
value("SELECT count(*) FROM as_json WHERE _tags = jsonb_build_object('stra' || chr(223) || 'e', 'K' || chr(246) || 'ln')"
	  . " AND _fields = jsonb_build_object('gr' || chr(246) || chr(223) || 'e', chr(223), 'n', 1)",
	'1', 'keys and values in jsonb are converted');
value("SELECT _fields->>'s' = '\"' || chr(233) FROM as_json WHERE _tags->>'t' = 'b'", 't', 'escapes are taken away first');
is($node->safe_psql('latin1', "SELECT count(*) FROM as_json"), '2', 'and a character that is not in the encoding costs its line');

# Text that is not UTF-8 is refused before anything else looks at it.
$offset = log_size($node);
send_text($socket, "latin n=1i,s=\"\xe4\"\nlatin n=2i,s=\"ok\"\n");
value('SELECT string_agg(n::text, \',\') FROM latin', '2', 'bytes of LATIN1 are not UTF-8, and cost their line');
like(log_of($node, $pid, $offset), qr/line refused: [^\n]*UTF-8[^\n]*\(SQLSTATE 22P02\)/, 'with the reason');

# SQL_ASCII: no conversion, the bytes are kept.
my $ascii_port = free_udp_port();
my $ascii = launch($node, $ascii_port, database => 'sql_ascii');
$socket = udp($ascii_port);
$offset = log_size($node);
send_utf8(qq{text,tag=Köln n=1i,s="€"\nпогода,ключ=a поле=1i\n});
send_text($socket, "text n=2i,s=\"\xe4\"\ntext n=3i,s=\"ok\"\n");
wait_for_value(
	$node,
	"SELECT string_agg(n || ' ' || coalesce(encode(tag::bytea, 'hex'), '-') || ' ' || encode(s::bytea, 'hex'), ',' ORDER BY n) FROM text",
	'1 4bc3b66c6e e282ac,3 - 6f6b',
	'SQL_ASCII keeps the bytes of UTF-8, and refuses what is not',
	'sql_ascii');
wait_for_value(
	$node,
	"SELECT encode(relname::text::bytea, 'hex') FROM pg_class WHERE relname ~ '^[^a-z]' AND relkind = 'r' AND relnamespace = 'public'::regnamespace",
	unpack('H*', encode_utf8('погода')),
	'so it does with names',
	'sql_ascii');
is(join('|', refusals($node, $ascii, $offset)), '1|0', 'one line is refused');
ok(is_running($_), 'the listeners are the same ones') foreach $pid, $ascii;

done_testing();
