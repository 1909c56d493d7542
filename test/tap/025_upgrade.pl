# From version 1.0 of the extension to the current one, with the library of the current one: what 1.0 has works,
# an update under a listener and a sender costs no line and no restart, and leaves the same objects as a fresh
# CREATE EXTENSION. A dump of 1.0 is restored as the current version, with its data.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('upgrade', "influx.rejects = table\n");
my $current = $node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'influx'});
isnt($current, '1.0', "the current version is $current");

sub sql { my ($query, $database) = @_; return $node->safe_psql($database // 'old', $query); }

sub version_in { return sql(q{SELECT extversion FROM pg_extension WHERE extname = 'influx'}, $_[0]); }

# A database with version 1.0 of the extension.
sub create_old
{
	my ($name) = @_;
	sql("CREATE DATABASE $name", 'postgres');
	sql(q{CREATE EXTENSION influx VERSION '1.0'}, $name);
	is(version_in($name), '1.0', "database $name has version 1.0");
	return;
}

# All that belongs to the extension and what makes it up, a line each. Names instead of OIDs: they are comparable
# between databases. Order is that of names, since numbers of columns that were dropped need not agree.
my $objects_query = <<'SQL';
WITH member AS (
  SELECT d.classid, d.objid, d.objsubid FROM pg_depend AS d JOIN pg_extension AS e ON d.refobjid = e.oid
   WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'influx'
), relation AS (
  SELECT c.* FROM pg_class AS c JOIN member AS m ON m.classid = 'pg_class'::regclass AND m.objid = c.oid
), described (line) AS (
  SELECT concat_ws(' ', 'member', pg_describe_object(classid, objid, objsubid),
                   'comment:', obj_description(objid, classid::regclass::text::name)) FROM member
  UNION ALL
  SELECT concat_ws(' ', 'routine', pg_get_functiondef(p.oid), p.proowner::regrole, 'acl:',
                   (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(p.proacl) AS a), p.prosupport, p.prorettype::regtype)
    FROM pg_proc AS p JOIN member AS m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
  UNION ALL
  SELECT concat_ws(' ', 'relation', relname, relkind, relpersistence, relrowsecurity, relforcerowsecurity,
                   relowner::regrole, reloptions::text, 'acl:',
                   (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(relacl) AS a), 'view:',
                   CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END)
    FROM relation
  UNION ALL
  SELECT concat_ws(' ', 'column', relname, attname, format_type(atttypid, atttypmod), attnotnull, attidentity,
                   attgenerated, attacl::text, 'default:', pg_get_expr(adbin, adrelid), 'comment:', col_description(c.oid, attnum))
    FROM relation AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_attrdef AS f ON f.adrelid = c.oid AND f.adnum = attnum
  UNION ALL
  SELECT concat_ws(' ', 'constraint', relname, conname, pg_get_constraintdef(k.oid))
    FROM relation AS c JOIN pg_constraint AS k ON conrelid = c.oid
  UNION ALL
  SELECT concat_ws(' ', 'index', relname, pg_get_indexdef(indexrelid)) FROM relation AS c JOIN pg_index ON indrelid = c.oid
  UNION ALL
  SELECT concat_ws(' ', 'trigger', relname, pg_get_triggerdef(t.oid), tgenabled)
    FROM relation AS c JOIN pg_trigger AS t ON tgrelid = c.oid WHERE NOT tgisinternal
  UNION ALL
  SELECT concat_ws(' ', 'policy', relname, polname, polcmd, polpermissive, polroles::regrole[]::text,
                   pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
    FROM relation AS c JOIN pg_policy ON polrelid = c.oid
  UNION ALL
  SELECT concat_ws(' ', 'rule', relname, pg_get_ruledef(r.oid)) FROM relation AS c JOIN pg_rewrite AS r ON ev_class = c.oid
  UNION ALL
  SELECT concat_ws(' ', 'sequence', relname, seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle)
    FROM relation AS c JOIN pg_sequence ON seqrelid = c.oid
  UNION ALL
  SELECT concat_ws(' ', 'dumped', c.oid::regclass::text, condition)
    FROM pg_extension, unnest(extconfig, extcondition) AS u (relid, condition) JOIN pg_class AS c ON c.oid = relid
   WHERE extname = 'influx'
  UNION ALL
  SELECT concat_ws(' ', 'initial acl', pg_describe_object(i.classoid, i.objoid, i.objsubid),
                   (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(initprivs) AS a))
    FROM pg_init_privs AS i JOIN member AS m ON m.classid = i.classoid AND m.objid = i.objoid
)
SELECT line FROM described ORDER BY line COLLATE "C"
SQL
sub objects { return sql($objects_query, $_[0]); }

my $fresh = objects('postgres');
like($fresh, qr/^member .*influx_replay/m, 'the catalogs are read: members');
like($fresh, qr/^dumped influx_rejects/m, 'and configuration tables');

# 1. Version 1.0, all of whose functions are called.
create_old('old');
my $old_objects = objects('old');
isnt($old_objects, $fresh, '1.0 has other objects');
sql('CREATE SCHEMA m');
my $port = free_udp_port();
my $pid = launch($node, $port, database => 'old', schema => 'm');
my @others;
foreach my $call (q{worker_launch('m', '%d', 'ms')}, q{worker_launch('%d')}, 'worker_launch(%d)')
{
	my $other = free_udp_port();
	my $other_pid = sql('SELECT ' . sprintf($call, $other));
	like($other_pid, qr/^\d+$/, sprintf($call, 0) . ' of 1.0');
	push @others, { pid => $other_pid, port => $other };
}
is(sql('SELECT count(*) FROM influx_workers()'), 4, 'influx_workers() of 1.0 shows them');
is( sql("SELECT concat_ws('|', pid, database, schema, port, role = current_user, \"precision\", state, started < now(), datagrams,
	bytes, lines, stored, rejected, rejected_by, waiting, kernel_drops, truncated, filtered, lost_datagrams, batches, retries, restarts,
	last_error, last_error_time) FROM influx_workers() WHERE port = $port"),
	"$pid|old|m|$port|t|ns|listening|t" . '|0' x 5 . '|{}' . '|0' x 8,
	'with all of its columns');
sql("CALL send_packet('sent n=1i', $port)");
sql("CALL send_packet('sent n=2i', '$port')");
wait_for_rows($node, 'm.sent', 2, 'send_packet and a listener of 1.0', 'old');
is(sql(q{SELECT _metric, _fields FROM parse_influx('a b=1i')}), 'a|{"b": 1}', 'parse_influx of 1.0');
is(sql(q{SELECT insert_lines('m', 'sent n=3i')}), 1, 'insert_lines of 1.0');
is(sql(q{SELECT _create('made', '{t}', '{f}')}), 'made', '_create of 1.0');
my $socket = udp($port);
send_text($socket, "sent n=x\nsent n=\"later\"");
wait_for_rows($node, 'influx_rejects', 2, 'influx_rejects of 1.0', 'old');
sql('ALTER TABLE m.sent ALTER n TYPE text');
is(sql('SELECT stored, rejected FROM influx_replay()'), '1|1', 'influx_replay of 1.0');
my $reject_columns = 'id, time, schema, port, role, "precision", sender, sender_port, measurement, line, "position", sqlstate, reason';
my $rejects = sql("SELECT $reject_columns FROM influx_rejects");

# 2. An update that is rolled back.
sql('BEGIN; ALTER EXTENSION influx UPDATE; ROLLBACK');
is(version_in('old'), '1.0', 'an update that is rolled back leaves version 1.0');
is(objects('old'), $old_objects, 'with its objects');
send_text($socket, 'sent n=5i');
wait_for_rows($node, 'm.sent', 5, 'and its listener', 'old');

# 3. An update while lines come in; it is held open until some were stored meanwhile.
sql('CREATE TABLE m.load (time timestamptz, n bigint)');
my $offset = log_size($node);
my $sender = start_sender(port => $port, rate => 2000, line => sub { "load n=$_[0]i" });
wait_for_value($node, 'SELECT count(*) > 200 FROM m.load', 't', 'a sender sends', 'old');
my $session = $node->background_psql('old');
my $before = sql('SELECT count(*) FROM m.load');
$session->query_safe('SET client_min_messages = warning; BEGIN; ALTER EXTENSION influx UPDATE');
wait_for_value($node, "SELECT count(*) > $before + 500 FROM m.load", 't', 'during the update lines are stored', 'old');
send_text($socket, "sent n=6i\nsent n=");
wait_for_value($node, q{SELECT count(*) FROM m.sent WHERE n = '6'}, 1, 'also beside one that is refused', 'old');
$session->query_safe('COMMIT');
$session->quit;
my $after = sql('SELECT count(*) FROM m.load');
wait_for_value($node, "SELECT count(*) > $after + 500 FROM m.load", 't', 'and after it', 'old');
my $sent = stop_sender($sender);
wait_for_rows($node, 'm.load', $sent, "all of $sent lines are stored", 'old');
is(sql('SELECT count(DISTINCT n), min(n), max(n) FROM m.load'), "$sent|1|$sent", 'each once');
is(version_in('old'), $current, "the extension is of version $current");
ok(is_running($pid), 'the listener is the same process');
unlike(log_since($node, $offset), qr/influx: (?:stopped|could not|[^\n]*lost)|terminated by signal|\[$pid\] (?:ERROR|FATAL)/,
	'nothing went wrong');
wait_for_rows($node, 'influx_rejects', 2, 'influx_rejects has one line more', 'old');
is(sql("SELECT $reject_columns FROM influx_rejects ORDER BY id LIMIT 1"), $rejects, 'and the older one as it was');
is(sql('SELECT count(*) FROM influx_rejects WHERE role_oid = role::text::regrole'), 2, 'both with the OID of their role');
ok(is_running($_->{pid}), "the listener on port $_->{port} goes on") foreach @others;

# What counts listeners is a view or a function, as the version has it.
my $counters = sql(q{SELECT CASE WHEN to_regclass('pg_stat_influx') IS NULL THEN 'influx_workers()' ELSE 'pg_stat_influx' END});
is(sql("SELECT lines = stored + rejected + waiting + lost_lines, waiting, kernel_drops, lost_datagrams, restarts FROM $counters WHERE pid = $pid"),
	't|0|0|0|0', "$counters counts on: nothing lost, no restart");
is(sql("SELECT stored, rejected FROM $counters WHERE pid = $pid"), join('|', $sent + 4, 3), 'all since the launch');

# 4. The objects are those of a fresh extension, and they work.
is(objects('old'), $fresh, 'the objects are the same as those of a fresh CREATE EXTENSION');
is(sql(q{SELECT insert_lines('m', 'sent n=7i')}), 1, 'functions work');
sql('ALTER EXTENSION influx UPDATE');
is(objects('old'), $fresh, 'to update again changes nothing');
my $new_port = free_udp_port();
launch($node, $new_port, database => 'old', schema => 'm');
send_text(udp($new_port), 'sent n=8i');
wait_for_value($node, q{SELECT count(*) FROM m.sent WHERE n = '8'}, 1, 'a listener that is launched after it stores', 'old');

# 5. A dump of 1.0.
create_old('dumped');
sql('CREATE SCHEMA m', 'dumped');
sql(q{INSERT INTO influx_rejects (time, schema, port, role, "precision", line, sqlstate, reason)
	VALUES ('2026-01-01', 'm', 1, current_user, 'ns', 't v=1i', '22P02', 'of a test'), ('2026-01-02', 'm', 1, current_user, 'ns', 't v=2i', '22P02', 'of a test')}, 'dumped');
my $dump = $PostgreSQL::Test::Utils::tmp_check . '/dump_of_1.0.sql';
$node->command_ok([ 'pg_dump', '--file', $dump, $node->connstr('dumped') ], 'a database with 1.0 is dumped');
sql('CREATE DATABASE restored', 'postgres');
$node->command_ok([ 'psql', '--no-psqlrc', '--quiet', '--set=ON_ERROR_STOP=1', '--file', $dump, $node->connstr('restored') ], 'and restored');
is(version_in('restored'), $current, 'as the current version');
is(objects('restored'), $fresh, 'with its objects');
my $all_rejects = "SELECT $reject_columns FROM influx_rejects ORDER BY id";
is(sql($all_rejects, 'restored'), sql($all_rejects, 'dumped'), 'and the data');
is(sql('SELECT stored, rejected FROM influx_replay()', 'restored'), '2|0', 'which can be replayed');
is(sql('SELECT count(*) FROM m.t', 'restored'), 2, 'into a table');
is(sql(q{INSERT INTO influx_rejects (time, port, "precision", line, sqlstate, reason) VALUES (now(), 1, 'ns', '', '', '') RETURNING id}, 'restored'),
	3, 'lines that are refused are counted on');

$node->stop;
done_testing();
