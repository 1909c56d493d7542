# What belongs to an extension takes no datagrams: who could write influx_listeners would start listeners, and
# who could write influx_rejects would have lines of his own replayed elsewhere.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use InfluxTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('extension_members', "influx.rejects = table\n");
my $port = free_udp_port();
sub sql { return $node->safe_psql('postgres', $_[0]); }

# The listener of the extension's own schema, by a superuser.
my $pid = sql("SELECT worker_launch('$port')");
my $socket = udp($port);
sub shown { return "SELECT $_[0] FROM pg_stat_influx WHERE pid = $pid"; }

my @hostile = (
	'influx_listeners name="evil",schema="secret",role="postgres",service="54952",address="*",workers=2i',
	'influx_listeners,host=a v=1',
	'influx_rejects schema="secret",port=1i,role="postgres",precision="ns",line="m v=1",reason="forged",sqlstate="00000"',
	'influx_rejects_id_seq last_value=1i',
	'pg_stat_influx_tables points=1i',
);
my $columns = "SELECT string_agg(attname, ',' ORDER BY attrelid, attnum) FROM pg_attribute"
  . " WHERE attrelid IN ('influx_listeners'::regclass, 'influx_rejects'::regclass) AND attnum > 0";
my $before = sql($columns);
send_text($socket, join("\n", @hostile, 'beside v=1'));
wait_for_value($node, shown("lines, stored, rejected, rejected_by, waiting"), '6|1|5|{"extension": 5}|0',
	'lines for relations of the extension are refused, with a kind of their own');
is(sql('SELECT count(*) FROM influx_listeners'), '0', 'no listener was entered');
is(sql($columns), $before, 'no column was added');
is(sql('SELECT count(*) FROM beside'), '1', 'the line of a table beside them is stored');
is( sql('SELECT convert_from(line, \'UTF8\'), sqlstate, reason FROM influx_rejects ORDER BY id LIMIT 1'),
	"$hostile[0]|2BP01|relation \"influx_listeners\" belongs to an extension, and is not for lines:"
	  . ' What is stored there is the concern of extension "influx".',
	'they are kept in influx_rejects, with the reason');
is(sql('SELECT count(*) FROM influx_rejects'), '5', 'each of them');

# A replay by the superuser changes nothing of that.
is(sql("SELECT * FROM influx_replay(now() - interval '1 day', now() + interval '1 day')"), '0|5', 'they stay rejected');
is(sql('SELECT count(*), count(*) FILTER (WHERE sqlstate = \'2BP01\') FROM influx_rejects'), '5|5', 'as they are');
is(sql('SELECT count(*) FROM influx_listeners'), '0', 'and no listener was entered');

# Views and rules that lead there.
sql('CREATE VIEW rejects AS SELECT time, schema, port, role, "precision", line, reason, sqlstate FROM influx_rejects');
sql('CREATE TABLE ruled (time timestamptz, name name)');
sql('CREATE RULE also AS ON INSERT TO ruled DO ALSO'
	  . " INSERT INTO influx_listeners (name, schema, role, service) VALUES (new.name, 'public', 'postgres', '54952')");
send_text($socket, "beside v=2\nruled name=\"evil\"\n" . ($hostile[2] =~ s/^influx_//r) . "\nbeside v=3");
wait_for_value($node, shown("lines, stored, rejected, rejected_by, waiting"), '10|3|7|{"extension": 7}|0',
	'neither do they by a view or a rule');
is(sql('SELECT count(*) FROM influx_listeners'), '0', 'nothing is there');
is(sql('SELECT count(*) FROM ruled'), '0', 'and nothing of the row whose rule leads there');
is(sql("SELECT count(*) FROM influx_rejects WHERE reason = 'forged'"), '0', 'no reject was forged');

# A table that becomes a member of an extension under the listener, while lines come in, and is one no more.
sql('CREATE TABLE job (time timestamptz, n bigint)');
my $sender = start_sender(port => $port, line => sub { "job n=$_[0]i" }, rate => 500, lines => 5);
ok($node->poll_query_until('postgres', 'SELECT count(*) > 50 FROM job'), 'lines come in');
my $adopted = sql('BEGIN; ALTER EXTENSION plpgsql ADD TABLE job; LOCK TABLE job; SELECT count(*) FROM job; COMMIT');
ok($node->poll_query_until('postgres', shown("(rejected_by->>'extension')::int > 50")), 'from then on they are refused');
is(sql('SELECT count(*) FROM job'), $adopted, 'and none is stored any more');
sql('ALTER EXTENSION plpgsql DROP TABLE job');
ok($node->poll_query_until('postgres', "SELECT count(*) > $adopted + 50 FROM job"), 'afterwards they are stored again');
my $sent = stop_sender($sender);
wait_for_value($node, shown("lines, stored + rejected, waiting, rejected = (rejected_by->>'extension')::int"),
	join('|', $sent + 10, $sent + 10, 0, 't'), 'all lines are accounted for');

done_testing();
