# Lines that could not be stored: the table influx_rejects, its bounds, who may see it, and influx_replay().
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('rejects', "influx.rejects = table\ninflux.batch_timeout = 20\n");
my $port = free_udp_port();
sub sql { return $node->safe_psql('postgres', $_[0]); }

sql(<<'SQL');
CREATE SCHEMA m;
CREATE TABLE m.t (time timestamptz, v bigint CHECK (v < 100), note text);
CREATE TABLE m.done (time timestamptz, n bigint);
SQL
my $pid = launch($node, $port, schema => 'm', precision => 's');
my $socket = udp($port);
my $done = 0;

# Waits until all that was sent before is dealt with: lines are dealt with in order of arrival.
sub all_done
{
	++$done;
	send_text($socket, "done n=${done}i");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, "SELECT max(n) FROM m.done", $done, 'all lines are dealt with');
}

# What is kept of a line.
my $before = sql('SELECT clock_timestamp()');
my $sender_port = $socket->sockport;
send_text($socket, "t v=1i 1\nt v=100i,note=\"a\\\"b\" 2\n\\ x,=y v=1\nt v=x 3\nt v=2i 4\nt v=1e99 5");
all_done();
is(sql('SELECT v FROM m.t ORDER BY v'), "1\n2", 'the good lines of the datagram are stored');
is( sql(q{SELECT measurement, encode(line, 'escape'), "position", sqlstate FROM influx_rejects ORDER BY id}),
	" x|\\\\ x,=y v=1|5|22P02\nt|t v=x 3|5|22P02\nt|t v=1e99 5||22003\nt|t v=100i,note=\"a\\\\\"b\" 2||23514",
	'the others are kept: measurement, line, position and SQLSTATE') or diag(sql('TABLE influx_rejects'));
is( sql(q{SELECT DISTINCT schema, port, role, "precision", sender, sender_port FROM influx_rejects}),
	"m|$port|" . sql('SELECT current_user') . "|s|127.0.0.1|$sender_port",
	'with the listener and the sender');
is(sql("SELECT count(*) FROM influx_rejects WHERE time BETWEEN '$before' AND clock_timestamp()"), '4',
	'and the time at which they were received');
is( sql(q{SELECT reason LIKE 'new row for relation "t" violates check constraint "t_v_check"%' FROM influx_rejects
		WHERE sqlstate = '23514'}), 't', 'and the reason');
wait_for_log($node, qr/WARNING:  influx: 4 lines refused, 4 of them kept in table public\.influx_rejects/, 0,
	'the log tells of it once');

# A line is kept as it came, whatever its bytes.
sql('DELETE FROM influx_rejects');
send_text($socket, "t v=\xff\xfe\nt note=\"a\0b\"\n\xe4\xf6 v=1");
all_done();
is(sql("SELECT encode(line, 'hex'), measurement FROM influx_rejects ORDER BY id"),
	join("\n", unpack('H*', "t v=\xff\xfe") . '|t', unpack('H*', "t note=\"a\0b\"") . '|t',
		unpack('H*', "\xe4\xf6 v=1") . '|'),
	'bytes that are no text are kept as they are');

# Replay.
sql('DELETE FROM influx_rejects; TRUNCATE m.t');
send_text($socket, "t v=200i 1\nt v=300i 2\nother,x= v=1\n");
all_done();
send_text($socket, "t v=400i 3");
all_done();
is(sql('SELECT * FROM influx_replay()'), '0|4', 'what is still wrong is rejected again');
is(sql('SELECT count(*) FROM influx_rejects'), '4', 'and stays');
sql('ALTER TABLE m.t DROP CONSTRAINT t_v_check');
my $third = sql('SELECT time FROM influx_rejects ORDER BY id LIMIT 1 OFFSET 3');
is(sql("SELECT * FROM influx_replay(until => '$third')"), '2|1', 'those before a time are replayed');
is(sql('SELECT v, extract(epoch FROM time)::int FROM m.t ORDER BY v'), "200|1\n300|2",
	'with the precision of the listener');
is(sql("SELECT * FROM influx_replay(since => '$third', measurement => 'nothing')"), '0|0', 'none of another measurement');
is(sql("SELECT * FROM influx_replay(since => '$third', measurement => 't')"), '1|0', 'those since a time are replayed');
is(sql('SELECT measurement FROM influx_rejects'), 'other', 'what is stored is removed');
is(sql('SELECT count(*) FROM m.t'), '3', 'and is there once');
is( sql("BEGIN; DELETE FROM influx_rejects; INSERT INTO influx_rejects (time, schema, port, role, \"precision\", line, sqlstate, reason)"
		. " SELECT '2020-01-01', 'm', 1, 'x', 'ns', 'nostamp v=1i', '00000', 'x'; SELECT * FROM influx_replay();"
		. " SELECT time = '2020-01-01' FROM m.nostamp; ROLLBACK"),
	"1|0\nt", 'a line without timestamp gets the time at which it was received, and a replay can be rolled back');

# Two replays at once: each line is taken by one of them, and nobody waits.
sql('DELETE FROM influx_rejects; ALTER TABLE m.t ADD CHECK (v < 100) NOT VALID');
send_text($socket, join("\n", map { "t v=50$_" . 'i' } 1 .. 5));
all_done();
sql('ALTER TABLE m.t DROP CONSTRAINT t_v_check');
my $session = $node->background_psql('postgres');
is($session->query_safe('BEGIN; SELECT * FROM influx_replay()'), '5|0', 'one replays');
is(sql('SELECT * FROM influx_replay()'), '0|0', 'another finds nothing to do');
send_text($socket, "done v=\"no number\",n=x");
all_done();
is(sql(q{SELECT count(*) FROM influx_rejects WHERE measurement = 'done'}), '1', 'and listeners go on');
$session->query_safe('COMMIT');
is(sql(q{SELECT count(*) FROM influx_rejects WHERE measurement = 't'}), '0', 'the lines are removed');

# A replay in a broken state of affairs: errors cost lines, not the call; a cancel ends it.
sql(<<'SQL');
DELETE FROM influx_rejects;
INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason) VALUES
  (now(), 'no_such_schema', 1, 'x', 'ns', 't v=1i', '00000', 'x'),
  (now(), 'm', 1, 'x', 'fortnights', 't v=1i', '00000', 'x'),
  (now(), 'm', 1, 'x', 'ns', 't v=601i', '00000', 'x'),
  (now(), 'm', 1, 'x', 'ns', 'fresh,host=a v=1', '00000', 'x'),
  (now(), NULL, 1, NULL, 'ns', 't v=1i', '00000', 'x');
CREATE FUNCTION m.sleepy() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); END $$;
CREATE TABLE m.slow (time timestamptz, v bigint);
CREATE TRIGGER slow BEFORE INSERT ON m.slow FOR EACH ROW EXECUTE FUNCTION m.sleepy();
SQL
is(sql('SELECT * FROM influx_replay()'), '2|3', 'lines that mean nothing are rejected, the others stored');
is(sql('SELECT host, v FROM m.fresh'), 'a|1', 'tables are made');
sql(q{INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
	VALUES (now(), 'm', 1, 'x', 'ns', 'slow v=1i', '00000', 'x')});
my $error = error_of($node, "SET statement_timeout = '200ms'; SELECT * FROM influx_replay()");
is($error->{sqlstate}, '57014', 'a replay can be cancelled');
sql(q{DELETE FROM influx_rejects; INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
	VALUES (now(), 'm', 1, 'x', 'ns', 't v=602i', '00000', 'x')});
$session->query_safe('BEGIN; LOCK TABLE m.t IN ACCESS EXCLUSIVE MODE');
$error = error_of($node, "SET lock_timeout = '100ms'; SELECT * FROM influx_replay()");
is($error->{sqlstate}, '55P03', 'a lock_timeout of the caller ends the call');
$session->query_safe('COMMIT');
is(sql('SELECT * FROM influx_replay()'), '1|0', 'and no line is lost by it');
is(sql('SELECT count(*) FROM m.t WHERE v = 602'), '1', 'it is stored by the next');

# Bounds.
sql('DELETE FROM influx_rejects');
configure($node, 'influx.max_rejects' => 100);
send_text($socket, join("\n", map { "t v=bad$_" } 1 .. 100));
all_done();
send_text($socket, join("\n", map { "t v=worse$_" } 1 .. 30));
all_done();
is(sql(q{SELECT count(*), count(*) FILTER (WHERE encode(line, 'escape') LIKE '%worse%') FROM influx_rejects}), '100|30',
	'no more than influx.max_rejects are kept, and the oldest go');
is(sql(q{SELECT encode(line, 'escape') FROM influx_rejects ORDER BY id LIMIT 1}), 't v=bad31', 'in order');
configure($node, 'influx.max_rejects' => 0);
send_text($socket, 't v=bad');
all_done();
is(sql('SELECT count(*) FROM influx_rejects'), '100', 'with 0 nothing is written');
configure($node, 'influx.max_rejects' => undef, 'influx.max_reject_rate' => 5);
sql('DELETE FROM influx_rejects');
my $offset = log_size($node);
send_text($socket, join("\n", map { "t v=bad$_" } 1 .. 200));
all_done();
cmp_ok(sql('SELECT count(*) FROM influx_rejects'), '<=', 5, 'a flood of them is bounded by the second');
ok(poll_until(sub { send_text($socket, 't v=bad'); sql('SELECT count(*) FROM influx_rejects') > 0 }),
	'and in the next second there is room again');
configure($node, 'influx.max_reject_rate' => undef);

# Where they go to.
sql('DELETE FROM influx_rejects');
configure($node, 'influx.rejects' => 'log');
$offset = log_size($node);
send_text($socket, 't v=logged');
all_done();
wait_for_log($node, qr/line refused: [^\n]*\n[^\n]*t v=logged/, $offset, 'log: a line is logged');
configure($node, 'influx.rejects' => 'off');
$offset = log_size($node);
send_text($socket, 't v=nowhere');
all_done();
unlike(log_since($node, $offset), qr/refused/, 'off: it is not');
is(sql('SELECT count(*) FROM influx_rejects'), '0', 'and in both cases not kept in the table');
configure($node, 'influx.rejects' => undef);

# Somebody has the table locked: the batch is stored all the same, and the line is kept later.
send_text($socket, 't v=first');
all_done();
is(sql('SELECT count(*) FROM influx_rejects'), '1', 'lines are kept in the table again');
sql('DELETE FROM influx_rejects');
$session->query_safe('BEGIN; LOCK TABLE influx_rejects IN ACCESS EXCLUSIVE MODE');
send_text($socket, "t v=701i\nt v=locked out");
all_done();
is(sql('SELECT count(*) FROM m.t WHERE v = 701'), '1', 'with influx_rejects locked, rows are stored');
$session->query_safe('COMMIT');
all_done();
wait_for_value($node, q{SELECT encode(line, 'escape') FROM influx_rejects}, 't v=locked out', 'and the line is kept after it');
$session->quit;

# Who may see them.
sql(<<'SQL');
CREATE ROLE loader LOGIN; CREATE ROLE member LOGIN IN ROLE loader; CREATE ROLE stranger LOGIN;
CREATE SCHEMA l; GRANT USAGE, CREATE ON SCHEMA l TO loader;
GRANT EXECUTE ON FUNCTION worker_launch(regnamespace, integer, text) TO loader;
SQL
my $loader_port = free_udp_port();
launch($node, $loader_port, schema => 'l', role => 'loader');
my $to_loader = udp($loader_port);
send_text($to_loader, "t v=secret\nt v=1i");
wait_for_value($node, q{SELECT count(*) FROM influx_rejects WHERE role = 'loader'}, '1', 'a listener with few rights keeps its lines too');
sub as { my ($role, $query) = @_; my (undef, $out, $err) = $node->psql('postgres', $query, connstr => $node->connstr('postgres') . " user=$role"); return $out . $err; }
is(as('member', q{SELECT encode(line, 'escape') FROM influx_rejects}), 't v=secret', 'members of its role see them, and those only');
is(as('stranger', 'SELECT count(*) FROM influx_rejects'), '0', 'others do not');
like(as('member', 'DELETE FROM influx_rejects'), qr/permission denied for table influx_rejects/, 'nobody deletes');
like(as('member', 'INSERT INTO influx_rejects (line) VALUES (NULL)'), qr/permission denied for table influx_rejects/, 'or inserts');
like(as('member', 'SELECT * FROM influx_replay()'), qr/permission denied for function influx_replay/, 'or replays without being allowed to');
sql('GRANT EXECUTE ON FUNCTION influx_replay(timestamptz, timestamptz, text) TO member, stranger');
sql(q{UPDATE influx_rejects SET line = 't v=5i' WHERE role = 'loader'});
is(as('stranger', 'SELECT * FROM influx_replay()'), '0|0', 'who does not see them does not replay them');
is(as('member', 'SELECT * FROM influx_replay()'), '1|0', 'a member does');
is(sql('SELECT string_agg(v::text, \',\' ORDER BY v) FROM l.t'), '1,5', 'and stores with the rights it has');
sql(q{INSERT INTO influx_rejects (time, schema, port, role, role_oid, "precision", line, sqlstate, reason)
	VALUES (now(), 'm', 1, 'loader', 'loader'::regrole, 'ns', 't v=801i', '00000', 'x')});
is(as('member', 'SELECT * FROM influx_replay()'), '0|1', 'but not where it has none');
sql(q{UPDATE influx_rejects SET role = 'dropped since'});
is(as('member', 'SELECT count(*) FROM influx_rejects'), '0', 'rows of a role that is gone are for the owner of the table');

# What an upgrade does under a listener: its script changes what belongs to the extension, in one transaction.
$session = $node->background_psql('postgres');
$session->query_safe('SET client_min_messages = warning; BEGIN; ALTER EXTENSION influx UPDATE; ALTER TABLE influx_rejects ADD COLUMN note text;'
	. ' ALTER TABLE influx_rejects RENAME COLUMN note TO remark; COMMENT ON VIEW pg_stat_influx IS \'upgraded\'');
send_text($socket, "t v=851i\nt v=upgraded");
all_done();
is(sql('SELECT count(*) FROM m.t WHERE v = 851'), '1', 'while the extension is upgraded, rows are stored');
$session->query_safe('COMMIT');
$session->quit;
all_done();
wait_for_value($node, q{SELECT remark IS NULL FROM influx_rejects WHERE encode(line, 'escape') = 't v=upgraded'}, 't',
	'and lines are kept when it has been');

# The extension moves, goes and comes back.
sql('DELETE FROM influx_rejects; CREATE SCHEMA elsewhere');
sql('ALTER TABLE influx_rejects SET SCHEMA elsewhere');
send_text($socket, 't v=moved');
all_done();
wait_for_value($node, 'SELECT count(*) FROM elsewhere.influx_rejects', '1', 'the table is found where it is');
sql('DROP EXTENSION influx; CREATE TABLE public.influx_rejects (LIKE m.done)');
ok(defined wait_gone($pid), 'without the extension the listener ends');
sql('DROP TABLE public.influx_rejects; CREATE EXTENSION influx');
$pid = launch($node, $port, schema => 'm');
send_text($socket, 't v=home');
wait_for_value($node, q{SELECT encode(line, 'escape') FROM influx_rejects}, 't v=home', 'with the new one lines are kept again');

# A dump has them where that is asked for.
my $dumped = qr/COPY public\.influx_rejects .*\n.*\t\\\\x7420763d686f6d65\t/;
my ($dump) = run_command([ 'pg_dump', '--data-only', $node->connstr('postgres') ]);
unlike($dump, qr/7420763d686f6d65/, 'they are no part of a dump');
{
	local $ENV{PGOPTIONS} = '-c influx.dump_rejects=on';
	($dump) = run_command([ 'pg_dump', '--data-only', $node->connstr('postgres') ]);
	like($dump, $dumped, 'but where whoever makes it sets influx.dump_rejects');
}
sql('ALTER DATABASE postgres SET influx.dump_rejects = on');
($dump) = run_command([ 'pg_dump', '--data-only', $node->connstr('postgres') ]);
like($dump, $dumped, 'or it is set for the database');

is(sql("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid"), '1', 'one listener did all since then');
done_testing();
