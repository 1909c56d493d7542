# A listener is one session for days. What triggers leave for "the session" is gone before the next batch, and before
# the next table of the same one: each trigger here leaves something, and the same line is sent again.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('session', "influx.batch_timeout = '10ms'\nmax_prepared_transactions = 2\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

# As which the listener works; what is set for it stays.
sql(<<'SQL');
CREATE ROLE other;
CREATE ROLE loader LOGIN IN ROLE other;
ALTER ROLE loader SET exit_on_error = on;
ALTER ROLE loader SET TimeZone = 'Asia/Tokyo';
ALTER DATABASE postgres SET DateStyle = 'German';
CREATE SCHEMA s AUTHORIZATION loader;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO loader;
CREATE TABLE s.seen (n bigint, search_path text, read_only text, role text, timezone text, datestyle text, own text);
GRANT ALL ON s.seen TO loader;
SET ROLE loader;
CREATE TABLE s.probe (time timestamptz, n bigint);
CREATE FUNCTION s.looks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO s.seen SELECT n, current_setting('search_path'), current_setting('transaction_read_only'), current_user,
    current_setting('TimeZone'), current_setting('DateStyle'), current_setting('my.own', true) FROM rows;
  RETURN NULL;
END $$;
CREATE TRIGGER looks AFTER INSERT ON s.probe REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION s.looks();
SQL
my $port = free_udp_port();
my $pid = launch($node, $port, schema => 's', role => 'loader');
my $socket = udp($port);

send_text($socket, 'probe n=1i');
wait_for_rows($node, 's.seen', 1, 'what a trigger sees before anything was left');
my $columns = 'search_path, read_only, role, timezone, datestyle, coalesce(own, \'\')';
my $at_first = sql("SELECT $columns FROM s.seen");
is($at_first, '"$user", public|off|loader|Asia/Tokyo|German, DMY|', 'what the role and the database set counts');

# A table whose trigger runs $statement, and is written twice. Between the two, and in one batch with the second, the
# probe is written. A constraint trigger that is deferred runs at the end of the transaction.
my ($tables, $probes) = (0, 1);
sub leaves
{
	my ($name, $statement, $deferred) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $table = 'a' . ++$tables;
	my $trigger = $deferred ? 'CONSTRAINT TRIGGER leaves AFTER INSERT' : 'TRIGGER leaves AFTER INSERT';
	my $kind = $deferred ? 'DEFERRABLE INITIALLY DEFERRED FOR EACH ROW' : 'FOR EACH STATEMENT';
	sql(<<SQL);
SET ROLE loader; CREATE TABLE s.$table (time timestamptz, n bigint);
CREATE FUNCTION s.$table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN $statement RETURN NULL; END \$\$;
CREATE $trigger ON s.$table $kind EXECUTE FUNCTION s.$table();
SQL
	foreach my $round (1, 2)
	{
		++$probes;
		send_text($socket, "$table n=${round}i\nprobe n=${probes}i");
		ok(poll_until(sub { sql("SELECT count(*) FROM s.$table") == $round && sql('SELECT count(*) FROM s.seen') == $probes }, 20),
			"$name: batch $round is stored")
		  or diag(log_of($node, $pid, 0));
		is(sql("SELECT $columns FROM s.seen WHERE n = $probes"), $at_first, "$name: and nobody sees it");
	}
	return;
}

leaves('a read-only session', 'SET default_transaction_read_only = on;');
leaves('the same, at the commit', 'SET default_transaction_read_only = on;', 1);
leaves('another search_path', 'SET search_path = nowhere;');
leaves('the same, at the commit', 'PERFORM set_config(\'search_path\', \'nowhere\', false);', 1);
leaves('a timeout for locks', 'SET lock_timeout = \'1ms\'; SET statement_timeout = \'1ms\';');
leaves('another role', 'SET ROLE other;');
leaves('a time zone', 'SET TimeZone = \'Europe/Berlin\'; SET DateStyle = \'ISO\';');
leaves('a setting of its own', 'SET my.own = \'left\';');
leaves('an isolation level', 'SET default_transaction_isolation = \'serializable\'; SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY;');
leaves('errors that end the session', 'SET exit_on_error = on;');
leaves('a temporary table', 'CREATE TEMP TABLE seen AS SELECT 1 AS one;');
leaves('a prepared statement', 'EXECUTE \'PREPARE left_behind AS SELECT 1\';');
leaves('a cursor', 'EXECUTE \'DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1\';');
leaves('an advisory lock', 'PERFORM pg_advisory_lock(4711);');
wait_for_value($node, 'SELECT pg_try_advisory_lock(4711)', 't', 'the lock is free when the batch is done');
is(sql("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype = 'advisory'"), '0', 'nothing of it is left');

# ALTER ROLE ... SET exit_on_error would end the process with each row that is refused.
sql('SET ROLE loader; CREATE TABLE s.checked (time timestamptz, n bigint CHECK (n > 0))');
send_text($socket, "checked n=0i\nchecked n=1i");
wait_for_rows($node, 's.checked', 1, 'a row that is refused costs that row');
ok(is_running($pid), 'and not the process, whatever exit_on_error says');
is(sql("SELECT pid, lines = stored + rejected + waiting + lost_lines, rejected, lost_lines FROM pg_stat_influx WHERE port = $port"),
	"$pid|t|1|0", 'one process has stored all of it');
unlike(log_of($node, $pid, 0), qr/FATAL|nothing can be written/, 'and nothing stood against it');

$node->stop;
done_testing();
