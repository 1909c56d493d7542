# pg_upgrade of a cluster with supervised listeners, into one of the same version: nothing runs while it works, and
# the new cluster goes on where the old one ended.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $supervised = "shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\ninflux.rejects = table\n";
my $old = new_node('old', $supervised);
my $port = free_udp_port();
my $socket = udp($port);
$old->safe_psql('postgres', <<SQL);
CREATE ROLE gauge LOGIN;
CREATE SCHEMA metrics AUTHORIZATION gauge;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO gauge;
SELECT listener_create('halls', 'metrics', $port, role => 'gauge', batch_size => 500);
SQL

my $listening = "SELECT state FROM pg_stat_influx WHERE listener = 'halls'";
my $points = 'SELECT place, c FROM metrics.celsius ORDER BY time';
my $refused = 'SELECT convert_from(line, \'UTF8\') FROM influx_rejects';
wait_for_value($old, $listening, 'listening', 'a listener is at work');
send_text($socket, "celsius,place=hall c=20.5 1700000000000000000\nno field");
wait_for_value($old, $points, 'hall|20.5', 'it stores points');
wait_for_value($old, $refused, 'no field', 'and keeps a line that it refuses');
my $entry = $old->safe_psql('postgres', 'SELECT * FROM influx_listeners');
$old->stop;

my $new = InfluxNode->new('new');
$new->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$new->append_conf('postgresql.conf', "log_statement = none\nmax_worker_processes = 16\n$supervised");
my ($programs) = run_command([ 'pg_config', '--bindir' ]);
# It writes where it is started.
chdir(PostgreSQL::Test::Utils::tempdir()) or die "chdir: $!";
command_ok(
	[   'pg_upgrade', '--retain', '--no-sync', '-b', $programs, '-B', $programs, '-d', $old->data_dir, '-D', $new->data_dir,
		'-p', $old->port, '-P', $new->port, '-s', $new->host ],
	'pg_upgrade succeeds');
my @logs = glob($new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_server.log');
is(scalar @logs, 1, 'the servers that it started have a log');
unlike(slurp_file($logs[0]), qr/influx:/, 'in which no supervisor and no listener is');

$new->start;
wait_for_value($new, $listening, 'listening', 'the listener is back');
is($new->safe_psql('postgres', 'SELECT * FROM influx_listeners'), $entry, 'as it was entered');
is($new->safe_psql('postgres', $points), 'hall|20.5', 'the points are there');
is($new->safe_psql('postgres', $refused), 'no field', 'and the refused line');
send_text($socket, "celsius,place=yard c=3.5 1700000001000000000\nno field");
wait_for_value($new, $points, "hall|20.5\nyard|3.5", 'points go where they went');
wait_for_value($new, $refused, "no field\nno field", 'and so do refused lines');
is($new->safe_psql('postgres', "SELECT role FROM pg_stat_influx WHERE listener = 'halls'"), 'gauge', 'by the same role');
$new->stop;

done_testing();
