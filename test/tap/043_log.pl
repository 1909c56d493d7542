# The server log: one report of a kind in ten seconds, whatever is sent; and no byte of a sender that a terminal, or
# who reads the log line by line, would obey.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use Test::More;

my $node = new_node('log', "influx.batch_timeout = 20\n");
sub sql { return $node->safe_psql('postgres', $_[0]); }

sub stop
{
	my ($pid) = @_;
	sql("SELECT pg_terminate_backend($pid)");
	return wait_gone($pid);
}

# One datagram for many tables that are locked: two reports, not two for each table.
my $tables = 200;
sql("DO \$\$ BEGIN FOR i IN 1..$tables LOOP EXECUTE format('CREATE TABLE many%s (time timestamptz, v float8)', i); END LOOP; END \$\$");
my $port = free_udp_port();
my $pid = launch($node, $port);
my $session = $node->background_psql('postgres');
$session->query_safe("BEGIN; DO \$\$ BEGIN FOR i IN 1..$tables LOOP EXECUTE format('LOCK TABLE many%s', i); END LOOP; END \$\$");
send_text(udp($port), join("\n", map { "many$_ v=1" } 1 .. $tables));
wait_for_value($node, "SELECT waiting FROM pg_stat_influx WHERE pid = $pid", $tables, 'the lines of all locked tables wait');
wait_for_log($node, qr/\[$pid\] WARNING:  influx: table "many\d+" is locked by another session, its lines wait/, 0,
	'the log tells of it');
# Every table has met its fourth attempt by then; if it had not, there would be less to leave out.
sleep 2;
$session->query_safe('COMMIT');
wait_for_value($node, "SELECT stored FROM pg_stat_influx WHERE pid = $pid", $tables, 'all are stored when the tables are free');
stop($pid);
my $log = log_of($node, $pid, 0);
my %reports = (
	'is locked by another session' => 'that a table is locked',
	'is free again' => 'that a table is free again');
foreach my $text (sort keys %reports)
{
	my $count = () = $log =~ /table "many\d+" \Q$text\E/g;
	is($count, 1, "$tables tables, and one report: $text");
	my ($left_out) = $log =~ /LOG:  influx: (\d+) more reports \Q$reports{$text}\E were left out/;
	cmp_ok($left_out // 0, '>', 0, 'the log tells how many were left out: ' . ($left_out // 'no'));
	cmp_ok($left_out // 0, '<', $tables, 'which are no more than there are tables');
}

# What a sender, or a trigger, writes is shown, and not obeyed. Names have no ESC, but may have the CSI of UTF-8.
my $name = "dark\xc2\x9b2Jroom";
sql(qq{CREATE TABLE "$name" (time timestamptz, v float8)});
sql(<<'SQL');
CREATE TABLE told (time timestamptz, note text CHECK (note <> note));
CREATE TABLE raised (time timestamptz, v float8);
CREATE FUNCTION raise_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION E'bad\n2026-01-01 00:00:00 UTC [1] LOG:  forged message'
    USING DETAIL = E'worse\n2026-01-01 00:00:00 UTC [1] LOG:  forged detail', HINT = E'at\x1b]0;last\x07';
END $$;
CREATE TRIGGER raise_lines BEFORE INSERT ON raised FOR EACH ROW EXECUTE FUNCTION raise_lines();
SQL
my $offset = log_size($node);
$pid = launch($node, $port = free_udp_port());
$session->query_safe(qq{BEGIN; LOCK TABLE "$name"});
send_text(udp($port), "$name v=1");
wait_for_log($node, qr/table "dark\\xc2\\x9b2Jroom" is locked by another session/, $offset, 'the name of a table is shown escaped');
$session->query_safe('COMMIT');
wait_for_log($node, qr/table "dark\\xc2\\x9b2Jroom" is free again/, $offset, 'likewise when it is free');
# ESC, a C1 control character of UTF-8, one that turns the direction of text; and one that is shown.
my %sent = ("\e[31m" => '\x1b[31m', "\xc2\x9b31m" => '\xc2\x9b31m', "\xe2\x80\xae" => '\xe2\x80\xae', "\xc3\xa9" => "\xc3\xa9");
foreach my $bytes (sort keys %sent)
{
	$offset = log_size($node);
	send_text(udp($port), qq{told note="<$bytes>"});
	wait_for_log($node, qr/DETAIL:  Datagram from [^\n]*note="<\Q$sent{$bytes}\E>"\n\tFailing row contains \([^\n]*<\Q$sent{$bytes}\E>\)\.\n/,
		$offset, 'line and detail show ' . $sent{$bytes});
}
send_text(udp($port), 'raised v=1');
wait_for_log($node, qr/line refused: bad\\x0a2026[^\n]*forged message \(SQLSTATE P0001\)\n[^\n]*raised v=1\n\tworse\\x0a2026[^\n]*forged detail\n[^\n]*HINT:  at\\x1b\]0;last\\x07\n/,
	$offset, 'neither message nor detail nor hint begin a line of their own');
unlike(log_of($node, $pid, 0), qr/[\x00-\x08\x0b-\x1f\x7f]/, 'there is no control character in what the listener has logged');
stop($pid);

# What the code of a table reports for each of its rows is one report too, whatever its level; so is a check that the
# server runs at the commit.
sql(<<'SQL');
CREATE TABLE chatty (time timestamptz, n bigint);
CREATE FUNCTION chat() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE WARNING 'chat of %', NEW.n;
  RAISE LOG 'chat of %', NEW.n;
  RAISE NOTICE 'chat of %', NEW.n;
  RETURN NEW;
END $$;
CREATE TRIGGER chat BEFORE INSERT ON chatty FOR EACH ROW EXECUTE FUNCTION chat();
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON chatty DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chat();
SQL
$pid = launch($node, $port = free_udp_port());
send_lines(udp($port), map { "chatty n=${_}i" } 1 .. 1000);
wait_for_value($node, "SELECT stored FROM pg_stat_influx WHERE pid = $pid", 1000, 'the rows of a table with a chatty trigger are stored');
stop($pid);
$log = log_of($node, $pid, 0);
my $chats = () = $log =~ /(?:WARNING|LOG|NOTICE):  chat of \d+/g;
cmp_ok($chats, '>=', 1, 'the log tells of what its trigger reports');
# One in ten seconds: a slow machine may take longer for the rows.
cmp_ok($chats, '<', 20, 'and not of each row');
my $left_out = 0;
$left_out += $1 while $log =~ /LOG:  influx: (\d+) more reports of the code of tables were left out/g;
cmp_ok($chats + $left_out, '>=', 4000, 'it tells how many were left out');

# The functions answer in the same way.
my $error = error_of($node, qq{SET influx.auto_extend = off; SELECT insert_lines('public', 'told \xc2\x9b=1')});
like($error->{message}, qr/\\xc2\\x9b/, 'insert_lines escapes the name of a column') or diag explain $error;
unlike($error->{message}, qr/\xc2\x9b/, 'and writes no control character');

$session->quit;
done_testing();
