# The configurations and programs of docs/recipes.md, as they stand there: each of them runs, and what it sends is
# in the tables, to the last escaped byte. A sender that is not installed is passed over, and named. INFLUX_SENDERS
# is a directory with packages that were unpacked there, since they cannot be installed beside each other.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use File::Temp;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('recipes');
my $page = slurp_file("$FindBin::RealBin/../../docs/recipes.md");
my $directory = PostgreSQL::Test::Utils::tempdir();
my $unpacked = $ENV{INFLUX_SENDERS} // '';
my ($port, $listener);
my %tested;

# The example of this name, for a listener on $port.
sub recipe
{
	my ($name) = @_;
	my ($text) = $page =~ /^<!-- recipe: \Q$name\E -->\n\n```\w*\n(.*?)^```$/ms
	  or die "docs/recipes.md has no recipe $name";
	$tested{$name} = 1;
	# All of them send to the port that the page names.
	$text =~ s/\b8089\b/$port/g or die "recipe $name does not name port 8089";
	return $text;
}

# The same in a file, whose path is returned.
sub recipe_file
{
	my ($name) = @_;
	my $file = "$directory/$name";
	open(my $handle, '>', $file) or die "$file: $!";
	print {$handle} recipe($name);
	close $handle;
	return $file;
}

sub listen_in
{
	my ($schema, $precision) = @_;
	$port = free_udp_port();
	$node->safe_psql('postgres', "CREATE SCHEMA $schema");
	$listener = launch($node, $port, schema => $schema, precision => $precision);
	return;
}

sub runs
{
	my ($command, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $output = `{ $command; } 2>&1`;
	return is($?, 0, $name) || diag("$command\n$output");
}

sub refuses_nothing
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(join('|', refusals($node, $listener, 0)), '0|0', 'no line of it is refused')
	  || diag(log_of($node, $listener, 0));
}

# A subtest for what these recipes send with, where that is there.
sub test_of
{
	my ($sender, $recipes, $check, $found) = @_;
	if (!$found)
	{
		$tested{$_} = 1 foreach @$recipes;
		diag("the recipe of $sender is skipped: it is not installed");
	  SKIP: { skip("$sender is not installed", 1); }
		return;
	}
	subtest $sender => $check;
	return;
}

# The path of a program: of an unpacked package, or of an installed one.
sub program
{
	my ($name) = @_;
	foreach my $folder (
		$unpacked ne '' ? map { "$unpacked$_" } qw(/usr/sbin /usr/bin) : (),
		qw(/usr/local/bin /usr/sbin /usr/bin))
	{
		return "$folder/$name" if -x "$folder/$name";
	}
	return;
}

sub has_file { return scalar grep { -e } glob($_[0]); }

my $recent = "time BETWEEN now() - '10 minutes'::interval AND now() + '1 minute'::interval";
my $boiler = "SELECT site, temperature, valves, note, $recent FROM";
my $boiler_values = 'Plant 1, east|71.5|4|set to "auto"|t';

# --- programs -------------------------------------------------------------------------------------

test_of('bash', ['disk.sh'], sub {
	listen_in('bash');
	my $file = recipe_file('disk.sh');
	# A file system whose name needs every escape that there is.
	my $bin = "$directory/bin";
	mkdir $bin;
	append_to_file("$bin/df", <<'DF');
#!/bin/sh
cat <<'END'
Filesystem Used Avail Mounted on
nas,a=b 1 9223372036854775807 /mnt/C:\a b\
END
DF
	chmod 0755, "$bin/df";
	runs("bash $file", 'the script runs');
	wait_for_value($node, "SELECT count(*) > 0, bool_and(used >= 0 AND free >= 0 AND $recent) FROM bash.disk"
		  . " WHERE path = '/'", 't|t', 'the root file system is there');
	runs("PATH=$bin:\$PATH HOSTNAME='a,b c' bash $file", 'and with other names');
	wait_for_value($node, "SELECT host, device, used, free, path FROM bash.disk WHERE device LIKE 'nas%'",
		'a,b c|nas,a=b|1|9223372036854775807|/mnt/C:/a b/', 'which arrive');
	refuses_nothing();
}, program('bash'));

test_of('Python', ['send.py'], sub {
	listen_in('python');
	runs('python3 ' . recipe_file('send.py'), 'the program runs');
	wait_for_value($node,
		'SELECT count(*), count(DISTINCT unit), sum(temperature), count(*) FILTER (WHERE alarm), min(valves),'
		  . " bool_and(site = 'Plant 1, east' AND note = 'set to \"auto\"' AND $recent) FROM python.\"boiler room\"",
		'100|100|12100|1|4|t', 'its points arrive');
	refuses_nothing();
}, program('python3'));

test_of('the Python client', ['client.py'], sub {
	listen_in('client');
	runs('/usr/bin/python3 ' . recipe_file('client.py'), 'the program runs');
	wait_for_value($node, "$boiler client.boiler WHERE NOT alarm", $boiler_values, 'its point arrives');
	refuses_nothing();
}, system('/usr/bin/python3 -c "import influxdb" 2>/dev/null') == 0);

test_of('Go', ['send.go'], sub {
	listen_in('go');
	my $go = program('go');
	my $file = recipe_file('send.go');
	runs("GOCACHE=$directory/go-cache GOPATH=$directory/go $go run $file", 'the program is built and runs');
	wait_for_value($node,
		"SELECT program, goroutines > 0, heap > 0, pause >= 0, version LIKE '\"go%\"', $recent FROM go.go_process",
		'billing, nightly|t|t|t|t|t', 'its point arrives');
	refuses_nothing();
}, program('go'));

test_of('Node.js', ['send.js'], sub {
	listen_in('node');
	runs(program('node') . ' ' . recipe_file('send.js'), 'the program runs');
	wait_for_value($node,
		"SELECT host <> '', role, load1 >= 0 AND load5 >= 0, free > 0, release LIKE '\"%\"', $recent FROM node.node_host",
		't|web, blue|t|t|t|t', 'its point arrives');
	refuses_nothing();
}, program('node'));

test_of('Perl', ['send.pl'], sub {
	listen_in('perl');
	runs('perl ' . recipe_file('send.pl'), 'the program runs');
	wait_for_value($node, "$boiler perl.boiler", $boiler_values, 'its point arrives');
	refuses_nothing();
}, eval { require InfluxDB::LineProtocol });

# --- daemons --------------------------------------------------------------------------------------

test_of('collectd', ['collectd.conf'], sub {
	listen_in('collectd', 'ms');
	my $file = "$directory/collectd-main.conf";
	append_to_file($file, <<CONF . recipe('collectd.conf') =~ s/^Interval 10$/Interval 1/mr);
Hostname "probe"
FQDNLookup false
BaseDir "$directory"
PIDFile "$directory/collectd.pid"
TypesDB "/usr/share/collectd/types.db"
CONF
	my $daemon = start_process("$directory/collectd.log", program('collectd'), '-f', '-C', $file);
	wait_for_value($node,
		"SELECT count(*) FROM pg_tables WHERE schemaname = 'collectd' AND tablename IN ('cpu', 'load', 'memory', 'df')",
		'4', 'its measurements arrive');
	wait_for_value($node, "SELECT count(*) > 0, bool_and(host = 'probe' AND $recent) FROM collectd.memory"
		  . " WHERE type_instance = 'used'", 't|t', 'with the kind of the value, and the time in milliseconds');
	wait_for_value($node, 'SELECT bool_and(shortterm >= 0 AND midterm >= 0 AND longterm >= 0) FROM collectd.load',
		't', 'and three values of the load in a row');
	is(stop_process($daemon), 0, 'it ends');
	refuses_nothing();
}, program('collectd'));

# Log messages that a receiver of the network gets; all of them have to be points.
my $hostile = 'C:\temp\ says "hi", a=b \" \\\\';
my @messages = (
	'<12>Oct 11 22:14:15 web1 my-app[3]: ' . $hostile,
	'<35>Oct 11 22:14:15 web2 back,slash=\\[4]: second',
	"<11>Oct 11 22:14:15 web3 bytes: two\nlines \xff and gr\xc3\xbcn",
	'<11>Oct 11 22:14:15 web4 empty:',
	'<30>');

sub relays_messages
{
	my ($schema, $input) = @_;
	ok(poll_until(sub { is_bound($input) }), 'it has its port');
	my $socket = udp($input);
	send_text($socket, $_) foreach @messages;
	wait_for_value($node, "SELECT host, facility, severity, severity_code, message, $recent"
		  . " FROM $schema.syslog WHERE appname = 'my-app'",
		"web1|user|warning|4|$hostile|t", 'a message with quotes and backslashes arrives');
	wait_for_value($node, "SELECT host, facility, appname, message FROM $schema.syslog WHERE severity_code = 3 AND facility = 'auth'",
		'web2|auth|back,slash=/|second', 'so does one with a hostile program');
	wait_for_value($node, "SELECT message ~ '^two.*lines .*and grün' FROM $schema.syslog WHERE appname = 'bytes'",
		't', 'one with bytes that are no text');
	wait_for_value($node, "SELECT count(*), max(trim(message)) FROM $schema.syslog WHERE appname = 'empty'",
		'1|', 'and one without a text');
	wait_for_rows($node, "$schema.syslog", scalar @messages, 'each message is a row');
	# With more than the seconds of the time.
	wait_for_value($node, "SELECT bool_or(extract(microseconds FROM time)::bigint % 1000000 <> 0) FROM $schema.syslog",
		't', 'the times have microseconds');
	refuses_nothing();
	return;
}

my $modules = (grep { -d } glob("$unpacked/usr/lib/*/rsyslog"))[0];

test_of('rsyslog', ['rsyslog.conf'], sub {
	listen_in('rsyslog');
	my $input = free_udp_port();
	my $file = "$directory/rsyslog-main.conf";
	append_to_file($file, <<CONF . recipe('rsyslog.conf'));
global(workDirectory="$directory")
module(load="imudp")
input(type="imudp" address="127.0.0.1" port="$input")
CONF
	my $daemon = start_process("$directory/rsyslog.log", program('rsyslogd'), '-n', '-i', "$directory/rsyslog.pid",
		'-f', $file, '-M', $modules);
	relays_messages('rsyslog', $input);
	is(stop_process($daemon), 0, 'it ends');
}, program('rsyslogd') && $modules);

my $libraries = "$unpacked/usr/lib/syslog-ng";
my ($plugins) = glob("$libraries/[0-9]*");

test_of('syslog-ng', ['syslog-ng.conf'], sub {
	listen_in('syslog_ng');
	my $input = free_udp_port();
	my $file = "$directory/syslog-ng-main.conf";
	my ($version) = $plugins =~ /([0-9.]+)$/;
	append_to_file($file, <<CONF . recipe('syslog-ng.conf'));
\@version: $version
options { keep-hostname(yes); };
source s_src { network(ip("127.0.0.1") port($input) transport("udp") flags(sanitize-utf8)); };
CONF
	local $ENV{LD_LIBRARY_PATH} = $libraries;
	my $daemon = start_process("$directory/syslog-ng.log", program('syslog-ng'), '--foreground', '--no-caps',
		"--cfgfile=$file", "--module-path=$plugins", map { "--$_=$directory/syslog-ng.$_" } qw(persist-file pidfile control));
	relays_messages('syslog_ng', $input);
	is(stop_process($daemon), 0, 'it ends');
}, program('syslog-ng') && $plugins);

# --- all of them ----------------------------------------------------------------------------------

my @all = $page =~ /^<!-- recipe: (\S+) -->$/mg;
is(join(' ', sort keys %tested), join(' ', sort @all), 'there is no other recipe on the page');

done_testing();
