# Texts that are too long are cut between two characters, whatever the encoding of the database: what is kept of
# an error can be read, and a dump of it can be restored.
use strict;
use warnings;
use utf8;

use Encode qw(decode encode);
use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('cut_text', <<'CONF');
influx.dump_rejects = on
influx.rejects = table
influx.batch_timeout = 20
CONF

# Of 0 to 3 bytes before characters of 2 to 4, one at least has the limit of 255 bytes inside of a character.
my %character = (UTF8 => 0xE9, EUC_JP => 0x3042, SQL_ASCII => 0x1F600);
sub c_locale { return "TEMPLATE template0 ENCODING '$_[0]' LC_COLLATE 'C' LC_CTYPE 'C'"; }

foreach my $encoding (sort keys %character)
{
	my $database = lc $encoding;
	create_database($node, $database, c_locale($encoding));
	my $bytes = unpack('H*', encode('UTF-8', chr $character{$encoding}));
	$node->safe_psql($database, <<"SQL");
CREATE SCHEMA m;
CREATE FUNCTION m._create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS \$\$
DECLARE
  long text := repeat('x', right(metric, 1)::int) || repeat(convert_from('\\x$bytes', '@{[$encoding eq 'SQL_ASCII' ? $encoding : 'UTF8']}'), 200);
BEGIN RAISE '%', long USING DETAIL = long; END \$\$
SQL
	my $port = free_udp_port();
	my $pid = launch($node, $port, schema => 'm', database => $database);
	send_text(udp($port), join("\n", map { "t$_ v=1" } 0 .. 3));
	wait_for_value($node, 'SELECT count(*) FROM influx_rejects', '4', "$encoding: the lines are kept", $database);
	# Raises where the text is not of the encoding.
	my $text = $encoding eq 'SQL_ASCII' ? "convert(reason::bytea, 'UTF8', 'UTF8')" : "convert_to(reason, 'UTF8')";
	my @reasons = split /\n/,
	  $node->safe_psql($database, "SELECT encode($text, 'hex') FROM influx_rejects ORDER BY measurement");
	my $letter = chr $character{$encoding};
	my $whole = qr/x{0,3}(?:$letter){60,}/;
	is(scalar(grep { decode('UTF-8', pack('H*', $_)) =~ /^$whole: $whole$/ } @reasons),
		4, "$encoding: their reasons can be read, up to the cut");

	my $dump = $node->basedir . "/$database.dump";
	$node->command_ok([ 'pg_dump', '--format=custom', "--file=$dump", $node->connstr($database) ], "$encoding: dumped");
	$node->safe_psql('postgres', 'CREATE DATABASE restored ' . c_locale($encoding));
	$node->command_ok([ 'pg_restore', '--exit-on-error', '--dbname', $node->connstr('restored'), $dump ],
		"$encoding: and restored");
	is($node->safe_psql('restored', 'SELECT count(*) FROM influx_rejects'), '4', "$encoding: with all that was kept");
	$node->safe_psql('postgres', 'DROP DATABASE restored');
	kill 'TERM', $pid;
	wait_gone($pid);
}

$node->safe_psql('postgres', 'CREATE SCHEMA m');
# Text that is too long for what is tested below, odd or even.
sub long { return encode('UTF-8', ('x' x $_[0]) . ('é' x 300)); }

# A line that is shown in part is cut between characters too, and whatever bytes it has.
foreach my $x (0, 1)
{
	my $error = error_of($node, "SELECT insert_lines('m', '" . long($x) . "')");
	like($error->{detail}, qr/^Line: x?(?:\xc3\xa9){90,}\.\.\.$/, 'a line is shown up to a character');
}
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 'm');
configure($node, 'influx.rejects' => 'log');
my $offset = log_size($node);
# Lead bytes that promise more than there is, at the limit and at the end.
send_text(udp($port), ("\xf0" x 300) . "\n" . ("x" x 199) . "\xf0\x9f\n" . "y\xe3");
wait_for_log($node, qr/line 1, position 1: (?:\\xf0){200}\.\.\.\n.*line 2, position 200: x{199}\\xf0\.\.\.\n.*line 3, position 2: y\\xe3\n/s,
	$offset, 'bytes that are no characters break nothing');
configure($node, 'influx.rejects' => undef);

kill 'TERM', $pid;
wait_gone($pid);

# Why a setting is malformed, and why a listener could not be launched.
foreach my $x (0, 1)
{
	my $error = error_of($node, "LOAD 'influx'; ALTER SYSTEM SET influx.allowed_sources = '" . long($x) . "'");
	like($error->{detail}, qr/^List element "x?(?:\xc3\xa9){100,}\.$/, 'a malformed setting is shown up to a character');
	configure($node, 'influx.listen_addresses' => "'" . long($x) . "'");
	$error = error_of($node, "SELECT worker_launch('m', " . free_udp_port() . ')');
	like($error->{message}, qr/^could not resolve address "x?(?:\xc3\xa9){100,}$/, 'so is why a listener does not start');
}
configure($node, 'influx.listen_addresses' => undef);

# Why influx_rejects cannot be written.
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE '%', repeat('x', right(encode(NEW.line, 'escape'), 1)::int) || repeat(chr(233), 200); END $$;
CREATE TRIGGER refuse BEFORE INSERT ON influx_rejects FOR EACH ROW EXECUTE FUNCTION refuse();
SQL
foreach my $x (0, 1)
{
	$pid = launch($node, $port = free_udp_port(), schema => 'm');
	$offset = log_size($node);
	send_text(udp($port), "bad v=x$x");
	wait_for_log($node, qr/\[$pid\] DETAIL:  Some could not be kept: x{$x}(?:\xc3\xa9){120,}\.$/m, $offset, 'so is why lines are not kept');
}

done_testing();
