# A disk that is full. Where some tables are: the listener keeps their lines and stores them when there is room,
# each once and in order, and nothing else is held up. Where the database is: it keeps all lines. Where the WAL
# is: the server ends by itself, and what was committed is there when it is back.
#
# INFLUX_SMALL_DISK names a directory on a file system of its own, of 24 to 64 MB, that the test may fill.
# scripts/check makes one.
use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'INFLUX_SMALL_DISK names no small file system that may be filled'
  unless defined $ENV{INFLUX_SMALL_DISK};

# Filling stops here, lest it is a disk that somebody needs.
my $most_megabytes = 64;

# A run that failed leaves it full.
my $disk = "$ENV{INFLUX_SMALL_DISK}/influx_disk_full";
remove_tree($disk);
mkdir $disk or die "mkdir: $!";

# Neither vacuum nor a checkpoint is to make room.
my $node = new_node('data_full', "autovacuum = off\n");
my $port = free_udp_port();

sub sql { return $node->safe_psql('postgres', $_[0]); }
sub counted { return sql("SELECT concat_ws('|', $_[1]) FROM pg_stat_influx WHERE port = $_[0]"); }

sub wait_counted
{
	my ($on, $condition, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $query = "SELECT $condition FROM pg_stat_influx WHERE port = $on";
	return wait_for_value($node, $query, 't', $name)
	  || diag(sql("SELECT to_jsonb(w) FROM pg_stat_influx AS w WHERE port = $on"));
}

# Fills the disk with table filler, to its last page.
sub fill_with_table
{
	sql('CREATE TABLE filler (x text) TABLESPACE small');
	foreach (1 .. $most_megabytes)
	{
		my ($status, undef, $errors) =
		  $node->psql('postgres', "INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 900)");
		next if $status == 0;
		like($errors, qr/could not extend file/, 'the disk is full');
		return;
	}
	die 'INFLUX_SMALL_DISK is not small';
}

mkdir "$disk/tables" or die "mkdir: $!";
sql("CREATE TABLESPACE small LOCATION '$disk/tables'");
sql(<<'SQL');
ALTER DATABASE postgres SET default_tablespace = small;
SET default_tablespace = small;
CREATE TABLE room (x text);
CREATE TABLE load (at bigserial, time timestamptz, n bigint, s text);
CREATE TABLE stopped (time timestamptz, n bigint);
CREATE TABLE elsewhere (time timestamptz, n bigint) TABLESPACE pg_default;
CREATE SCHEMA other; CREATE TABLE other.elsewhere (time timestamptz, n bigint) TABLESPACE pg_default;
INSERT INTO room SELECT repeat('x', 1000) FROM generate_series(1, 7000);
SQL

# 1. The listener itself fills the disk: the room that is made for it is less than what is sent.
fill_with_table();
sql('DROP TABLE room');
my $pid = launch($node, $port);
my $other_port = free_udp_port();
launch($node, $other_port, schema => 'other');
my $offset = log_size($node);
my $lines = 12_000;
my $text = 'x' x 1000;
my ($sent) = wait_sender(
	start_sender(port => $port, rate => 2500, count => $lines, line => sub { "load n=$_[0]i,s=\"$text\"" }));
is($sent, $lines, 'more lines are sent than there is room for');
wait_for_log($node,
	qr/\[$pid\] WARNING:  influx: nothing can be written to table "load" now, its lines wait: could not extend file/, $offset,
	'the listener says that nothing can be written to the table');
wait_counted($port, "lines = $lines", 'it goes on receiving');
cmp_ok(sql('SELECT count(*) FROM load'), '>', 0, 'some were stored before');
my $stored = sql('SELECT count(*) FROM load');
is(counted($port, 'stored, rejected, waiting'), "$stored|0|" . ($lines - $stored), 'the others wait, none is refused');
my $socket = udp($port);
send_text($socket, "elsewhere n=1i\nmade n=1i");
wait_for_rows($node, 'elsewhere', 1, 'those of a table on another disk are stored');
wait_counted($port, 'lines = ' . ($lines + 2), 'and one waits whose table cannot be made');

my $error = error_of($node, "INSERT INTO stopped SELECT now(), 1");
is($error->{sqlstate}, '53100', 'other sessions have the same error');
sql('INSERT INTO elsewhere (n) VALUES (0)');
is(sql('SELECT count(*) FROM elsewhere'), 2, 'or none, with tables on another disk');
send_text(udp($other_port), 'elsewhere n=1i');
wait_for_rows($node, 'other.elsewhere', 1, 'another listener stores');

wait_counted($port, 'retries >= 3', 'it is tried again and again');
sql('DROP TABLE filler');
wait_for_rows($node, 'load', $lines, 'when there is room, all lines are stored');
wait_for_log($node, qr/\[$pid\] LOG:  influx: table "(?:load|made)" can be written to again/, $offset, 'the listener says so');
wait_counted($port, 'waiting = 0', 'none waits any more');
is(counted($port, 'pid, lines, stored, rejected, kernel_drops, lost_datagrams, restarts'),
	join('|', $pid, $lines + 2, $lines + 2, 0, 0, 0, 0), 'the same listener has stored all that it counted');
is(sql('SELECT count(DISTINCT n), min(n), max(n) FROM load'), "$lines|1|$lines", 'each line once');
is(sql('SELECT count(*) FROM (SELECT n < lag(n) OVER (ORDER BY at) AS late FROM load) AS s WHERE late'), 0, 'in order');
is(sql("SELECT string_agg(n::text, ',' ORDER BY n) FROM elsewhere"), '0,1', 'also those of a table elsewhere');
is(sql("SELECT n, spcname FROM made JOIN pg_class ON relname = 'made' JOIN pg_tablespace AS s ON s.oid = reltablespace"),
	'1|small', 'and of one that had to be made');
my $told = () = log_of($node, $pid, $offset) =~ /nothing can be written to table "load" now/g;
is($told, 1, 'it was told once');
unlike(log_of($node, $pid, $offset), qr/nothing can be written now/, 'and only of the table');

# 2. What is sent is more than the listener may keep: the rest is refused. Lines wait also where it is their
# table that cannot be made.
sql('DROP TABLE load; CREATE TABLE load (at bigserial, time timestamptz, n bigint, s text)');
fill_with_table();
configure($node, 'influx.max_pending' => "'1MB'", 'influx.batch_bytes' => "'64kB'", 'influx.read_buffer' => "'64kB'");
my $small_port = free_udp_port();
my $small = launch($node, $small_port);
$offset = log_size($node);
my $to_small = udp($small_port);
send_text($to_small, "made_late s=\"a\"\nelsewhere n=2i");
wait_for_rows($node, 'elsewhere', 3, 'while a table cannot be made, rows of others are stored');
wait_for_log($node, qr/\[$small\] WARNING:  influx: table "made_late" cannot be made now, lines that need it wait: could not extend file/,
	$offset, 'that it cannot is told');
wait_sender(start_sender(port => $small_port, rate => 2000, count => 3000, line => sub { "load n=$_[0]i,s=\"$text\"" }));
wait_counted($small_port, 'datagrams + kernel_drops = 3001 AND rejected > 1000 AND waiting > 300 AND stored = 1',
	'as much as a megabyte holds waits, beside room for others, and the rest is refused');
like(log_of($node, $small, $offset),
	qr/line refused: nothing can be written to the table, and influx\.max_pending allows no more to wait \(SQLSTATE 53100\)/, 'for that reason');
sql('DROP TABLE filler');
wait_counted($small_port, 'waiting = 0', 'when there is room, none waits');
my ($rejected, @others) = split /\|/, counted($small_port, 'rejected, pid, stored + rejected - lines, lost_datagrams');
is(join('|', @others), "$small|0|0", 'all that was received is stored or refused');
is(sql('SELECT count(*) + 2, count(DISTINCT n) + 2, min(n) FROM load'), counted($small_port, 'stored, stored, 1'), 'each line once');
is(sql('SELECT count(*) FROM (SELECT n < lag(n) OVER (ORDER BY at) AS late FROM load) AS s WHERE late'), 0, 'in order');
is(sql('SELECT s FROM made_late'), 'a', 'and the table is made');
sql("SELECT pg_terminate_backend($small)");
wait_gone($small);
configure($node, map { ("influx.$_" => undef) } qw(max_pending batch_bytes read_buffer));

# 3. The disk of the database itself is full: all lines wait, also those of a table that has room elsewhere.
sql('CREATE DATABASE whole TABLESPACE small');
$node->safe_psql('whole', "CREATE EXTENSION influx; CREATE TABLE full_up (time timestamptz, n bigint);
	CREATE TABLE elsewhere (time timestamptz, n bigint) TABLESPACE pg_default");
fill_with_table();
my $whole_port = free_udp_port();
my $whole = launch($node, $whole_port, database => 'whole');
$offset = log_size($node);
send_text(udp($whole_port), 'full_up n=1i');
wait_for_log($node, qr/\[$whole\] WARNING:  influx: nothing can be written now: could not extend file/, $offset,
	'where the database has no room, the listener says that nothing can be written');
like(log_of($node, $whole, $offset), qr/^\S+ [^\n]*DETAIL:  What is received waits, up to influx\.max_pending\.$/m,
	'and what becomes of the lines');
send_text(udp($whole_port), "full_up n=2i\nelsewhere n=1i");
wait_counted($whole_port, 'waiting = 3 AND rejected = 0', 'all of them wait');
sql('DROP TABLE filler');
wait_for_rows($node, 'full_up', 2, 'when there is room, they are stored', 'whole');
wait_for_rows($node, 'elsewhere', 1, 'those of other tables too', 'whole');
wait_for_log($node, qr/\[$whole\] LOG:  influx: writing again after \d+ ms/, $offset, 'the listener says so');
sql("SELECT pg_terminate_backend($whole)");
wait_gone($whole);
sql('DROP DATABASE whole');

# 4. A listener that is stopped meanwhile ends soon. What waits is refused line by line.
fill_with_table();
$offset = log_size($node);
send_text($socket, join("\n", map({ "stopped n=${_}i\nelsewhere n=${_}i" } 3 .. 22), 'unmade s="a"'));
wait_for_rows($node, 'elsewhere', 23, 'in a batch, rows for another disk are stored');
wait_for_log($node, qr/\[$pid\] WARNING:  influx: nothing can be written to table "stopped" now, its lines wait: could not extend file/,
	$offset, 'those for the full one are not');
send_text($socket, "stopped n=${_}i") foreach 23 .. 25;
wait_counted($port, 'waiting = 24', 'they wait, and others behind them');
sql("SELECT pg_terminate_backend($pid)");
my $seconds = wait_gone($pid);
ok(defined $seconds && $seconds < 5, 'a listener that waits for room ends when it is told to');
note("after $seconds s") if defined $seconds;
my $log = log_of($node, $pid, $offset);
like($log, qr/line refused: could not extend file [^\n]* \(SQLSTATE 53100\)\n[^\n]*stopped n=3i$/m, 'its lines are refused');
is(join('|', refusals($node, $pid, $offset)), '10|14', 'all that waited');
like($log, qr/influx: stopped: \d+ datagrams received, ${\($lines + 22)} points stored, 24 lines refused, 0 lines lost, 0 datagrams lost,/,
	'all are counted');
unlike($log, qr/writing again|written to again/, 'and nobody says that anything was written');
is(sql('SELECT count(*) FROM stopped'), 0, 'nothing of them is stored');

# 5. The table of refused lines is on the full disk: good lines are stored as ever.
sql('DROP TABLE filler; ALTER TABLE influx_rejects SET TABLESPACE small');
configure($node, 'influx.rejects' => "'table'");
fill_with_table();
$pid = launch($node, $port);
$offset = log_size($node);
send_text($socket, "elsewhere n=23i\nelsewhere n=\nelsewhere n=24i");
wait_counted($port, 'stored = 2 AND rejected = 1 AND waiting = 0', 'with a bad line that cannot be kept, the good ones are stored');
wait_for_log($node,
	qr/\[$pid\] WARNING:  influx: 1 lines refused, 0 of them kept in table \S*influx_rejects\n[^\n]*DETAIL:  Some could not be kept: could not extend file/,
	$offset, 'and the log tells of it');
is(sql('SELECT count(*) FROM elsewhere'), 25, 'the good ones are there once');
is(sql('SELECT count(*) FROM influx_rejects'), 0, 'the bad one is not');
unlike(log_of($node, $pid, $offset), qr/nothing can be written/, 'that holds nothing up');
sql('DROP TABLE filler');
send_text($socket, 'elsewhere n=');
wait_for_rows($node, 'influx_rejects', 1, 'when there is room, refused lines are kept again');
unlike(log_since($node, 0), qr/PANIC|terminated by signal/, 'nothing crashed');
$node->stop;
remove_tree("$disk/tables");

# 6. No room for the WAL. That ends the server, whoever writes. No checkpoint removes any of it.
$node = new_node('wal_full', <<'CONF', '--wal-segsize=1', "--waldir=$disk/wal");
min_wal_size = 2MB
max_wal_size = 1GB
checkpoint_timeout = 1h
restart_after_crash = off
CONF
$port = free_udp_port();
launch($node, $port);
$socket = udp($port);
send_text($socket, "w n=${_}i,s=\"$text\"") foreach 1 .. 100;
wait_for_rows($node, 'w', 100, 'a listener stores');
my $server = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

# Up to the last byte, the smaller pieces for what is left.
sub fill_with_file
{
	open(my $file, '>', "$disk/filler") or die "open: $!";
	my $written = 0;
	foreach my $size (65536, 4096)
	{
		while (my $now = syswrite($file, "\0" x $size))
		{
			$written += $now;
			die 'INFLUX_SMALL_DISK is not small' if $written > $most_megabytes << 20;
		}
		die "write: $!" unless $!{ENOSPC};
	}
	close $file;
	return;
}
fill_with_file();
$offset = log_size($node);
my ($last, $seen) = (100, 100);
poll_until(
	sub {
		foreach (1 .. 200)
		{
			++$last;
			# Where nobody listens any more, the kernel says so.
			$socket->send("w n=${last}i,s=\"$text\"") // $!{ECONNREFUSED} // die "could not send: $!";
		}
		# Where the server ends right now, psql may end before it was told what to ask.
		my ($status, $count) = eval { $node->psql('postgres', 'SELECT count(*) FROM w') };
		$seen = $count if defined $status && $status == 0;
		return !is_running($server);
	}) or die 'the server goes on without room for its WAL';
like(log_since($node, $offset), qr/PANIC:  could not write to file "pg_wal\/[^\n]*No space left on device/,
	'without room for the WAL the server ends by itself');
$node->stop('immediate', fail_ok => 1);    # it has; the node is to know
unlink "$disk/filler" or die "unlink: $!";
$node->start;
my ($count, $distinct, $most) = split /\|/, sql('SELECT count(*), count(DISTINCT n), max(n) FROM w');
note("$seen rows were seen before, $count are there");
cmp_ok($count, '>=', $seen, 'when it is back, what was committed is there');
is(sql("SELECT count(*) FROM w WHERE n <= $seen"), $seen, 'row by row');
is($distinct, $count, 'none of it twice');
cmp_ok($most, '<', $last, 'and not what came later');
launch($node, $port);
send_text($socket, "w n=0i,s=\"$text\"");
wait_for_value($node, 'SELECT count(*) FROM w WHERE n = 0', 1, 'a new listener stores');
$node->stop;
remove_tree($disk);
done_testing();
