# Where no supervisor may start listeners: on a standby before it is promoted, in a server that is being
# upgraded, and where the module is not preloaded.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $supervised = "shared_preload_libraries = 'influx'\ninflux.databases = 'postgres'\n";
my $primary = InfluxNode->new('primary');
$primary->init(allows_streaming => 1, extra => [ '--encoding=UTF8', '--locale=C' ]);
$primary->append_conf('postgresql.conf', "max_worker_processes = 16\ninflux.databases = 'postgres'\n");
$primary->start;

# Not preloaded: the setting is no error, and nothing runs.
my $port = free_udp_port();
$primary->safe_psql('postgres', 'CREATE EXTENSION influx');
$primary->safe_psql('postgres',
	"INSERT INTO influx_listeners (name, schema, role, service) VALUES ('a', 'public', 'postgres', '$port')");
is($primary->safe_psql('postgres', "LOAD 'influx'; SHOW influx.databases"), 'postgres', 'not preloaded: the setting is shown');
is($primary->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'influx%'"), '0', 'not preloaded: nothing runs');
ok(launch($primary, free_udp_port()) > 0, 'not preloaded: worker_launch works');

# A standby.
$primary->append_conf('postgresql.conf', $supervised);
$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'influx%'"), '0', 'a standby runs nothing');
unlike(log_since($standby, 0), qr/influx: supervising/, 'and did not');
$standby->promote;
wait_for_value($standby, "SELECT state FROM pg_stat_influx WHERE port = $port", 'listening', 'promoted: the listener is there');
$standby->stop;

# Binary upgrade: postgres -b, as pg_upgrade starts it.
$primary->stop;
my $offset = log_size($primary);
system_or_bail('pg_ctl', '-w', '-D', $primary->data_dir, '-l', $primary->logfile, '-o', '-b', 'start');
is($primary->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'influx%'"), '0', 'binary upgrade: nothing runs');
system_or_bail('pg_ctl', '-w', '-m', 'fast', '-D', $primary->data_dir, 'stop');
unlike(log_since($primary, $offset), qr/influx: supervising/, 'and nothing did');

# The same server, started as usual.
$primary->start;
wait_for_value($primary, "SELECT state FROM pg_stat_influx WHERE port = $port", 'listening', 'preloaded: the listener is there');
$primary->stop;

done_testing();
