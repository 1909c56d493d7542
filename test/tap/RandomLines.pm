# Texts in line protocol, and such as are almost that: made by the grammar from odd names and values, and
# then, mostly, damaged; or taken from the corpus of the fuzz targets. The same seed makes the same texts.
package RandomLines;

use strict;
use warnings;

use Exporter qw(import);
use FindBin;

our @EXPORT = qw(read_corpus random_text random_line);

my @corpus;

# Few of each, so that names meet again with other types, and series are known.
my @measurements = (
	qw(cpu mem disk m CPU select pg_class time _time a.b "quoted" m's $1 %s {} [] _tags), 'Größe', 'my\ disk',
	'a\,b', 'a=b', 'C:\new', ';DROP', '--', 'x' x 63, 'x' x 64, 'ü' x 31, 'ü' x 32, 'm;--');
my @keys = (
	qw(host region value n f usage_idle Host "k" k's $1 %s xmin ctid tableoid time _time _tags _fields user NULL),
	'Höhe', 'my\ key', 'a\=b', 'a\,b', '\\\\server', 'k' x 63, 'k' x 64, '日本', '');
my @tag_values = (qw(a b us-west 1 true NaN null {} "q" ' \\N), 'grün', 'a\ b', 'r\,1\=x', 'C:\dir', 'v' x 300, '');
my @values = (
	qw(1 -1.5 1. .5 2e-3 0 -0 1e400 1e308 1e-400 12i -12i 9223372036854775807i -9223372036854775808i
	  9223372036854775808i 18446744073709551615u 12u -1u t F true FALSE tRUE NaN inf 0x10 1.2.3 00012 1e5
	  0.1234567890123456789 123456789012345678901234567890 9007199254740993i 2147483648i),
	'"text"', '""', '"say \"hi\""', '"C:\temp\\\\"', '"two lines"', '"grün"', '"a,b=c d"', '"12"', '"t"',
	'"{}"', '"unclosed', '"' . 's' x 500 . '"', '"\\\\"', '"\\"', '');
my @times = (
	'', ' 1574753954000000000', ' 1574753954', ' 0', ' -1', ' 9223372036854775807', ' -9223372036854775808',
	' 9223372036854775808', ' 1.5', '  1574753954000000001 ', ' 1574753954 x', ' -9223372036854775807');
my @pieces = (
	',', '=', ' ', '"', '\\', '\\\\', "\t", "\r", "\0", "\x7f", "\xff", "\xc3", "\xc3\xa4", "\xed\xa0\x80", '#',
	'i', 'u', '-', '.', '9' x 30, ',a=b', ' v=1', '"x"', "\xf0\x9f\x98\x80");

sub one_of { return $_[ int(rand(scalar @_)) ]; }

sub chance { return rand() < $_[0]; }

# Reads the corpus; how many texts there are.
sub read_corpus
{
	foreach my $file (sort glob("$FindBin::RealBin/../fuzz/corpus/*"))
	{
		open(my $handle, '<:raw', $file) or die "$file: $!";
		local $/ = undef;
		push @corpus, scalar <$handle>;
	}
	return scalar @corpus;
}

# A line as the grammar has it, but for what is wrong with a name or value in it.
sub grammatical_line
{
	my $line = one_of(chance(0.7) ? @measurements[ 0 .. 3 ] : @measurements);
	$line .= ',' . one_of(chance(0.8) ? @keys[ 0 .. 5 ] : @keys) . '=' . one_of(chance(0.8) ? @tag_values[ 0 .. 3 ] : @tag_values)
	  foreach 1 .. int(rand(4));
	$line .= ' ';
	$line .= join ',', map { one_of(chance(0.8) ? @keys[ 2 .. 6 ] : @keys) . '=' . one_of(chance(0.8) ? @values[ 0 .. 4, 10, 11 ] : @values) }
	  0 .. int(rand(4));
	return $line . one_of(chance(0.7) ? @times[ 1, 2 ] : @times);
}

# Changes some bytes.
sub damaged
{
	my ($text) = @_;
	foreach (0 .. int(rand(3)))
	{
		my $at = int(rand(1 + length $text));
		my $length = chance(0.5) ? 0 : int(rand(4));
		substr($text, $at, $length) = chance(0.3) ? '' : chance(0.1) ? chr(int(rand(256))) : one_of(@pieces);
	}
	return $text;
}

# A line, without line feed; or what is left of one.
sub random_line
{
	my $line = grammatical_line();
	$line = one_of(split /\n/, one_of(@corpus)) // '' if @corpus && chance(0.15);
	$line = damaged($line) if chance(0.3);
	$line =~ tr/\n/ /;
	return $line;
}

# Some lines; strings may go over several, and line ends get damaged too.
sub random_text
{
	return damaged(one_of(@corpus)) if @corpus && chance(0.1);
	my $text = join chance(0.1) ? "\r\n" : "\n", map { random_line() } 0 .. int(rand(6));
	$text = damaged($text) if chance(0.2);
	$text =~ s/" /"two\nlines,x=1 / if chance(0.05);
	return $text;
}

1;
