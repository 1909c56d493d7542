# What a table's rows go to takes none for a while: its disk is full, so it is said, or another server is down
# or may only be read. The lines of this table wait, and those of others are stored.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('table_trouble');
# The tables have a schema of their own, and so has the function that makes them.
$node->safe_psql('postgres', 'CREATE SCHEMA s; ALTER DATABASE postgres SET search_path = s, public');
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 's');
my $socket = udp($port);

sub sql { return $node->safe_psql('postgres', $_[0]); }

sub wait_counted
{
	my ($condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, "SELECT $condition FROM pg_stat_influx WHERE port = $port", 't', $name)
	  || diag(sql("SELECT to_jsonb(w) FROM pg_stat_influx AS w WHERE port = $port"));
}

# 1. A trigger raises what reads as trouble of the server, of each kind, and goes on with it.
my %codes = (
	disk_full => '53100',
	out_of_memory => '53200',
	read_only => '25006',
	connections => '53300',
	io_error => '58030',
	connection => '08006',
	unable => '08001',
	shutdown => '57P01',
	starting => '57P03',
	wrapper => 'HV00N',
);
sql('CREATE SCHEMA helpers; CREATE TABLE helpers.trouble (kind text PRIMARY KEY); CREATE TABLE free (time timestamptz, n bigint)');
sql(q{CREATE FUNCTION helpers.raises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM helpers.trouble WHERE kind = TG_TABLE_NAME) THEN
		RAISE EXCEPTION 'all is wrong' USING ERRCODE = TG_ARGV[0];
	END IF;
	RETURN NEW;
END $$});
foreach my $kind (sort keys %codes)
{
	sql("CREATE TABLE $kind (at bigserial, time timestamptz, n bigint);
		CREATE TRIGGER raises BEFORE INSERT ON $kind FOR EACH ROW EXECUTE FUNCTION helpers.raises('$codes{$kind}');
		INSERT INTO helpers.trouble VALUES ('$kind')");
}
my $offset = log_size($node);
my $kinds = keys %codes;
send_text($socket, join("\n", map { my $kind = $_; map { "$kind n=${_}i" } 1 .. 10 } sort keys %codes) . "\nfree n=1i");
wait_for_rows($node, 'free', 1, 'beside tables in trouble the lines of another one are stored');
send_text($socket, join("\n", map({ "$_ n=11i" } sort keys %codes), map { "free n=${_}i" } 2 .. 1000));
wait_for_rows($node, 'free', 1000, 'and so are those behind them');
wait_counted("lines = 1000 + 11 * $kinds AND stored = 1000 AND waiting = 11 * $kinds AND rejected = 0", 'theirs wait, none is refused');
wait_for_log($node,
	qr/\[$pid\] WARNING:  influx: nothing can be written to table "\w+" now, its lines wait: all is wrong/, $offset, 'which is told');
unlike(log_of($node, $pid, $offset), qr/nothing can be written now/, 'and of nothing but the tables');
sql('TRUNCATE helpers.trouble');
wait_counted("stored = 1000 + 11 * $kinds AND waiting = 0 AND rejected = 0", 'when the trouble is over, they are stored');
is(sql("SELECT string_agg(n::text, ',' ORDER BY at) FROM $_"), '1,2,3,4,5,6,7,8,9,10,11', "$_: each once and in order") foreach sort keys %codes;
wait_for_log($node, qr/\[$pid\] LOG:  influx: table "\w+" can be written to again/, $offset, 'which is told too');

# 2. The same where a value is made for the table, and where the table is.
sql(q{CREATE FUNCTION helpers.fits(text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM helpers.trouble WHERE kind = 'domain') THEN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END IF;
	RETURN true;
END $$;
CREATE DOMAIN helpers.checked AS text CHECK (helpers.fits(VALUE));
CREATE TABLE domains (time timestamptz, s helpers.checked);
INSERT INTO helpers.trouble VALUES ('domain'), ('create')});
sql(q{CREATE FUNCTION s._create(name, name[], name[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM helpers.trouble WHERE kind = 'create') THEN RAISE EXCEPTION 'no room' USING ERRCODE = '53100'; END IF;
	EXECUTE format('CREATE TABLE s.%I (time timestamptz, n bigint)', $1);
END $$});
sql('TRUNCATE free');
send_text($socket, "domains s=\"a\"\nmade n=1i\nfree n=1i");
wait_for_rows($node, 'free', 1, 'beside a table whose values cannot be made, and one that cannot be made, another one is written to');
# What comes now is of another batch than that in which both have met their trouble.
send_text($socket, "domains s=\"b\"\nmade n=2i\nfree n=2i");
wait_for_rows($node, 'free', 2, 'and by the batches behind that');
wait_counted('waiting = 4', 'theirs wait');
sql('TRUNCATE helpers.trouble');
wait_for_value($node, "SELECT string_agg(s, ',' ORDER BY ctid) FROM domains", 'a,b', 'and are stored when they can be made');
wait_for_value($node, "SELECT to_regclass('made') IS NOT NULL", 't', 'the table too');
wait_for_value($node, "SELECT string_agg(n::text, ',' ORDER BY ctid) FROM made", '1,2', 'with its lines');
sql('DROP FUNCTION s._create');

# 3. A foreign server that is down, and one that may only be read.
SKIP:
{
	skip 'no postgres_fdw', 5
	  unless sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'");
	my ($host, $there) = ($node->host, $node->port);
	sql(<<"SQL");
CREATE EXTENSION postgres_fdw SCHEMA helpers;
CREATE TABLE helpers.far (time timestamptz, n bigint);
CREATE SERVER down FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '1', dbname 'postgres');
CREATE SERVER reads FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$there', dbname 'postgres',
  options '-c default_transaction_read_only=on');
CREATE USER MAPPING FOR CURRENT_USER SERVER down; CREATE USER MAPPING FOR CURRENT_USER SERVER reads;
CREATE FOREIGN TABLE far_down (time timestamptz, n bigint) SERVER down OPTIONS (schema_name 'helpers', table_name 'far');
CREATE FOREIGN TABLE far_reads (time timestamptz, n bigint) SERVER reads OPTIONS (schema_name 'helpers', table_name 'far');
TRUNCATE free;
SQL
	send_text($socket, "far_down n=${_}i\nfar_reads n=1${_}i\nfree n=${_}i") foreach 1 .. 5;
	wait_for_rows($node, 'free', 5, 'beside tables of servers that are down, or may only be read, another one is written to');
	wait_counted('waiting = 10', 'the lines for them wait');
	sql("ALTER SERVER down OPTIONS (SET port '$there'); ALTER SERVER reads OPTIONS (DROP options)");
	wait_for_value($node, "SELECT string_agg(n::text, ',' ORDER BY ctid) FROM helpers.far WHERE n < 10", '1,2,3,4,5',
		'and are stored when the server is there');
	wait_for_value($node, "SELECT string_agg(n::text, ',' ORDER BY ctid) FROM helpers.far WHERE n > 10", '11,12,13,14,15',
		'or can be written to');
	wait_counted('waiting = 0 AND rejected = 0', 'none is refused');
}

# 4. They wait up to influx.max_pending, of which one table leaves room for others.
configure($node, 'influx.max_pending' => "'1MB'", 'influx.batch_timeout' => "'1s'");
sql("TRUNCATE free; INSERT INTO helpers.trouble VALUES ('disk_full'), ('wrapper')");
$offset = log_size($node);
my $long = 'x' x 1000;
sql('ALTER TABLE disk_full ADD s text; ALTER TABLE wrapper ADD s text; TRUNCATE disk_full');
# Most of them in one batch.
send_lines($socket, map { "disk_full n=${_}i,s=\"$long\"" } 1 .. 1500);
wait_for_log($node,
	qr/line refused: nothing can be written to the table, and influx\.max_pending allows no more to wait \(SQLSTATE 53100\)/,
	$offset, 'beyond influx.max_pending lines are refused');
# What waits to be looked at counts as waiting, too: all has been when what came last is stored.
send_text($socket, 'free n=0i');
wait_for_rows($node, 'free', 1, 'all have been looked at');
wait_counted('waiting + rejected = 1500 AND waiting > 300', 'and as many wait as there is room for');
$offset = log_size($node);
my $rejected = sql("SELECT rejected FROM pg_stat_influx WHERE port = $port");
send_text($socket, "wrapper n=${_}i,s=\"" . "x" x 300 . "\"") foreach 1 .. 100;
send_text($socket, 'free n=1i');
wait_for_rows($node, 'free', 2, 'another table goes on');
wait_counted("rejected = $rejected", 'and one more that is in trouble has room to wait');
my $retries = sql("SELECT retries FROM pg_stat_influx WHERE port = $port");
wait_counted("retries > $retries + 3", 'while both are tried again');
is(sql("SELECT rejected FROM pg_stat_influx WHERE port = $port"), $rejected, 'lines that have waited keep their room');
sql('TRUNCATE helpers.trouble');
wait_counted('waiting = 0', 'when it is over, what waited is stored');
is(sql('SELECT count(*) FROM disk_full'), 1500 - $rejected, 'and what was refused is not');
configure($node, 'influx.max_pending' => undef, 'influx.batch_timeout' => undef);

# 5. A listener that is stopped meanwhile refuses what waits, for its reason.
sql("INSERT INTO helpers.trouble VALUES ('disk_full')");
$offset = log_size($node);
send_text($socket, "disk_full n=1i\nfree n=2i");
wait_for_rows($node, 'free', 3, 'a line waits once more');
sql("SELECT pg_terminate_backend($pid)");
wait_gone($pid);
like(log_of($node, $pid, $offset), qr/line refused: all is wrong \(SQLSTATE 53100\)/, 'when the listener is stopped, it is refused');
like(log_of($node, $pid, $offset), qr/influx: stopped: .* lines refused, 0 lines lost, 0 datagrams lost/, 'and none is lost');
$node->stop;
done_testing();
