# The queries of docs/alarms.md, as they stand there: each returns nothing while all is well, and a row when what it
# is for has been brought about. Limits of size and time are lowered, so that nobody has to wait for them.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use IO::Socket::IP;
use PostgreSQL::Test::Utils;
use Socket qw(SOCK_DGRAM);
use Test::More;

my $node = new_node('alarms',
	"shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\ninflux.rejects = table\ninflux.max_rejects = 2\n");
my $page = slurp_file("$FindBin::RealBin/../../docs/alarms.md");
my %tested;

# The query of this name. Further arguments are a text in it, and what stands for that.
sub alarm_of
{
	my ($name, $limit, $lowered) = @_;
	my ($query) = $page =~ /^<!-- alarm: \Q$name\E -->\n\n```sql\n(.*?)^```$/ms
	  or die "docs/alarms.md has no alarm $name";
	$tested{$name} = 1;
	if (defined $limit) { $query =~ s/\Q$limit\E/$lowered/g or die "alarm $name does not have $limit"; }
	return $query;
}

# What a monitoring system sees, or a superuser where that is said.
sub rows_of
{
	my ($query, $role) = @_;
	return $node->safe_psql('postgres', $query, extra_params => [ '-U', $role // 'watcher' ]);
}

sub is_silent
{
	my ($query, $name, $role) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return is(rows_of($query, $role), '', "$name: no alarm");
}

sub fires
{
	my ($query, $pattern, $name, $role) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $rows = '';
	poll_until(sub { ($rows = rows_of($query, $role)) =~ $pattern });
	return like($rows, $pattern, "$name: an alarm");
}

sub is_over
{
	my ($query, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(poll_until(sub { rows_of($query) eq '' }), "$name: the alarm is over");
}

sub sql { return $node->safe_psql('postgres', $_[0]); }

my $port = free_udp_port();
my $superuser = sql('SELECT current_user');
sql('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
sql("CREATE SCHEMA plant; SELECT listener_create('plant', 'plant', $port, read_buffer => '4kB')");
my $down = alarm_of('down');
my $error = alarm_of('error');
wait_for_value($node, "SELECT state FROM pg_stat_influx WHERE port = $port", 'listening', 'the listener is there');

my $silent = alarm_of('silent', '5 minutes', '1 second');
fires($silent, qr/^plant\|plant\|$port\|$/m, 'nothing has come yet');

my $socket = udp($port);
send_text($socket, 'pump,site=a flow=1');
wait_for_value($node, "SELECT stored FROM pg_stat_influx WHERE port = $port", '1', 'a line is stored');
my $lost = alarm_of('lost');
my $refused = alarm_of('refused');
my $waiting = alarm_of('waiting', '> 100000', '> 100');
my $lag = alarm_of('lag');
my $table = alarm_of('table');
my $rejects = alarm_of('rejects');
is_silent($down, 'down');
is_silent($error, 'error');
is_silent(alarm_of('silent'), 'silent');
is_silent($lost, 'lost');
is_silent($refused, 'refused');
is_silent($waiting, 'waiting');
is_silent($lag, 'lag');
is_silent($table, 'table');
is_silent($rejects, 'rejects', $superuser);

# Down: somebody else has the port of a second listener.
my $taken = free_udp_port();
my $other = IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => '127.0.0.1', LocalPort => $taken) // die "no socket: $@";
sql("CREATE SCHEMA annex; SELECT listener_create('annex', 'annex', $taken)");
fires($down, qr/^annex\|1\|0$/, 'down');
fires($error, qr/^annex\|annex\|$taken\|failed\|.*$taken/, 'error');
sql("SELECT listener_drop('annex')");
is_over($down, 'down');
close $other;

# Refused, and kept until their table is full.
send_text($socket, 'pump,site=a flow=');
fires($refused, qr/^plant\|plant\|$port\|1\|2\|\{"malformed": 1\}$/, 'refused');
is_silent($rejects, 'rejects, half full', $superuser);
send_text($socket, 'pump,site=a flow=');
fires($rejects, qr/^2$/, 'rejects', $superuser);

# A table that is locked.
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE plant.pump');
send_lines($socket, ('pump,site=a flow=2') x 200);
fires($waiting, qr/^plant\|plant\|$port\|200\|/, 'waiting');
$locker->query_safe('COMMIT');
$locker->quit;
is_over($waiting, 'waiting');

# A clock that is an hour ahead.
my $ahead = time + 3600;
send_text($socket, "pump,site=a flow=3 ${ahead}000000000");
fires($lag, qr/^plant\|plant\|$port\|[^|]+\|-00:[0-9:.]+$/, 'lag');

# Nobody sends.
fires($silent, qr/^plant\|plant\|$port\|\d/, 'silent');
fires(alarm_of('table', '1 hour', '1 second'), qr/^plant\|pump\|\d/, 'table');

# More than the kernel's buffer holds, while the listener takes nothing.
my $pid = sql("SELECT pid FROM pg_stat_influx WHERE port = $port");
kill 'STOP', $pid;
send_text($socket, 'pump,site=a flow=4 ' . '#' x 1000) foreach 1 .. 200;
kill 'CONT', $pid;
fires($lost, qr/^plant\|plant\|$port\|[1-9]\d*\|0\|0$/, 'lost');

my @all = $page =~ /^<!-- alarm: (\S+) -->$/mg;
is(join(' ', sort keys %tested), join(' ', sort @all), 'there is no other alarm on the page');

$node->stop;
done_testing();
