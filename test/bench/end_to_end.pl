# A listener in a server, measured from outside: lines are sent by UDP, and rows are counted. Run by
# test/bench/run, which makes the surroundings; docs/performance.md tells what the parts are.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin, "$FindBin::RealBin/../tap";

use Getopt::Long qw(GetOptions);
use InfluxBench;
use InfluxTest;
use JSON::PP ();
use List::Util qw(max min pairkeys);
use POSIX ();
use PostgreSQL::Test::Utils;

my %option = (
	'parts' => 'throughput',
	'workloads' => 'tsbs,agent,narrow,many',
	'repeat' => 5,
	'seconds' => 8,
	'memory-seconds' => 600,
	'rate' => undef,
	'steps' => undef,
	'json' => undef);
my @fractions = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5);
my @batch_sizes = (100, 1000, 10_000, 30_000, 50_000, 100_000);
my @latency_rates = (100, 1000, 10_000, 100_000);
my @measurements = (1, 10, 100, 500);
my @windows = (1 .. 10);

my %parts = (
	throughput => \&throughput,
	rates => \&rates,
	steady => \&steady,
	batch => \&batch,
	latency => \&latency,
	trickle => \&trickle,
	building => \&building,
	held => \&held,
	cardinality => \&cardinality,
	growth => \&growth,
	memory => \&memory,
	attack => \&attack,
	keyed => \&keyed,
	hypertable => \&hypertable);

my @workloads;

# --- saturation -----------------------------------------------------------------------------------

# A load that overloads a listener without taking the processor from it: twice what it stores when a sender
# sends as fast as it can. There must be no listener while this is found out.
my %saturating_rate;

sub saturating_load
{
	my ($workload) = @_;
	my $rate = $option{rate} // ($saturating_rate{$workload} //= do
	{
		my $listener = start_listener(workload => $workload);
		my $run = measure($listener, seconds => min(2, $option{seconds}));
		stop_listener($listener);
		POSIX::ceil(2 * $run->{rate});
	});
	return (seconds => $option{seconds}, rate => $rate);
}

# What a listener stores under a load that is too much for it; measured, not by the fixed rate.
my %saturation;

sub saturation
{
	my ($workload) = @_;
	return $saturation{$workload} //= do
	{
		my @load = saturating_load($workload);
		my $listener = start_listener(workload => $workload);
		my $run = measure($listener, @load);
		stop_listener($listener);
		$run->{rate};
	};
}

# --- parts ----------------------------------------------------------------------------------------

# What a listener stores at most, and how COPY loads the same rows.
sub throughput
{
	my %result;
	foreach my $repetition (1 .. $option{repeat})
	{
		foreach my $workload (@workloads)
		{
			my @load = saturating_load($workload);
			my $listener = start_listener(workload => $workload);
			my $influx = measure($listener, @load);
			stop_listener($listener);
			my $copy = copy_again();
			my %ratio = (
				rate => $influx->{rate} / $copy->{rate},
				cpu => $influx->{cpu}{seconds} / $copy->{cpu}{seconds});
			push @{ $result{$workload} }, { influx => $influx, copy => $copy, ratio => \%ratio };
			progress(
				'  %-7s %d: %8.0f lines/s, lost %4.1f %%, CPU %.2f s/million; COPY %8.0f rows/s, %.2f s; ratios %.2f, %.2f',
				$workload, $repetition, $influx->{rate}, 100 * $influx->{lost_share}, $influx->{cpu}{seconds},
				$copy->{rate}, $copy->{cpu}{seconds}, $ratio{rate}, $ratio{cpu});
		}
	}
	return { map { $_ => { median => medians(@{ $result{$_} }), runs => $result{$_} } } keys %result };
}

# Loads the rows that are in schema lines into tables of the same definition, by COPY from files.
sub copy_again
{
	my $directory = PostgreSQL::Test::Utils::tempdir('copy');
	chmod 0700, $directory;
	my @tables = tables('lines');
	my $rows = rows_of('lines');
	my %file = map { $tables[$_] => "$directory/$_" } 0 .. $#tables;
	look(join ';', map { "COPY lines.$_ TO '$file{$_}'" } @tables);
	look('CREATE SCHEMA copied');
	look(join ';', map { "CREATE TABLE copied.$_ (LIKE lines.$_ INCLUDING ALL)" } @tables);
	look('CHECKPOINT');

	my $session = new_session();
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my ($cpu, $wal, $start) = (cpu_of($pid), wal_position(), now_seconds());
	$session->query_safe(join ';', map { "COPY copied.$_ FROM '$file{$_}'" } @tables);
	my $seconds = now_seconds() - $start;
	my $copy = {
		rows => $rows,
		seconds => $seconds,
		rate => $rows / $seconds,
		cpu => per_million(cpu_since($pid, $cpu), $rows),
		wal => wal_since($wal) / $rows,
	};
	$session->quit;

	unlink values %file;
	my $copied = rows_of('copied');
	die "COPY loaded $copied rows of $rows\n" if $copied != $rows;
	look('DROP SCHEMA copied CASCADE');
	return $copy;
}

# The medians of the numbers that are at the same place in each of some structures.
sub medians
{
	my (@runs) = @_;
	return median(@runs) unless ref $runs[0];
	return { map { my $key = $_; $key => medians(map { $_->{$key} } @runs) } keys %{ $runs[0] } };
}

# What is lost where more and more is sent.
sub rates
{
	return by_workload(sub {
		my ($workload) = @_;
		my $most = saturation($workload);
		my $listener = start_listener(workload => $workload);
		my @steps;
		foreach my $fraction (@fractions)
		{
			my $run = measure($listener, seconds => $option{seconds}, rate => POSIX::ceil($fraction * $most));
			truncate_tables($listener);
			push @steps, { fraction => $fraction, %$run };
			show($run);
		}
		stop_listener($listener);
		my $without_loss = 0;
		foreach my $step (@steps)
		{
			last if $step->{lost} > 0;
			$without_loss = $step->{offered};
		}
		return { saturation => $most, without_loss => $without_loss, steps => \@steps };
	});
}

# A load that has to be stored without a loss.
sub steady
{
	return by_workload(sub {
		my ($workload) = @_;
		my $rate = POSIX::ceil(0.6 * saturation($workload));
		my $listener = start_listener(workload => $workload);
		my $run = measure($listener, seconds => 30, rate => $rate);
		stop_listener($listener);
		show($run);
		die "$run->{lost} lines were lost at 60 % of what can be stored\n" if $run->{lost} != 0;
		return $run;
	});
}

sub batch
{
	return by_workload(sub {
		my ($workload) = @_;
		my @load = saturating_load($workload);
		my @steps;
		foreach my $size (@batch_sizes)
		{
			# A batch is to end by its lines, and the next one to have room meanwhile.
			configure(node(), 'influx.batch_size' => $size, 'influx.batch_bytes' => "'64MB'");
			my $listener = start_listener(workload => $workload);
			my $run = measure($listener, @load);
			stop_listener($listener);
			push @steps, { batch_size => $size, %$run };
			show($run);
		}
		configure(node(), 'influx.batch_size' => undef, 'influx.batch_bytes' => undef);
		return \@steps;
	});
}

# From the time of a line to the moment when a session sees its row.
sub latency
{
	return [
		map {
			my $run = watched($option{seconds}, rate => $_);
			show($run);
			$run
		} @latency_rates
	];
}

sub trickle
{
	my $run = watched(20, rate => 10, 'datagram-bytes' => 1);
	show($run);
	return $run;
}

# A run of workload tsbs beside a session that looks for new rows each millisecond. Rows are found by their
# place: a page that was passed is not looked at again, though a row may still have gone there.
sub watched
{
	my ($seconds, %load) = @_;
	my $listener = start_listener(workload => 'tsbs');
	my $session = new_session();
	$session->query_safe(<<'END');
CREATE TEMPORARY TABLE latency (seconds float8);
CREATE PROCEDURE pg_temp.watch(seconds float8) LANGUAGE plpgsql AS $$
DECLARE
  place tid := '(0,0)';
  looked timestamptz := clock_timestamp();
  finish timestamptz := looked + seconds * interval '1 second';
BEGIN
  WHILE looked < finish LOOP
    looked := clock_timestamp();
    WITH fresh AS MATERIALIZED (SELECT ctid, time FROM lines.cpu WHERE ctid > place),
      noted AS (INSERT INTO latency SELECT extract(epoch FROM looked - time) FROM fresh)
    SELECT coalesce(max(ctid), place) INTO place FROM fresh;
    PERFORM pg_sleep(0.001);
  END LOOP;
END $$;
END
	my $run = measure(
		$listener, %load,
		seconds => $seconds,
		meanwhile => sub {
			$session->query_until(qr/watching/, "\\echo watching\nCALL pg_temp.watch($seconds + 2);\n");
		});
	my ($seen, @shares) = split /\|/, $session->query_safe(<<'END');
SELECT count(*), percentile_disc(0.5) WITHIN GROUP (ORDER BY seconds),
  percentile_disc(0.99) WITHIN GROUP (ORDER BY seconds), max(seconds) FROM latency
END
	$session->quit;
	stop_listener($listener);
	die "only $seen rows of $run->{stored} were seen\n" if $seen < 0.99 * $run->{stored};
	my %latency = (seen => $seen + 0);
	@latency{qw(p50 p99 max)} = map { $_ + 0 } @shares;
	return { %$run, latency => \%latency };
}

# What comes before a row is inserted: lines are parsed and rows are built of them, for tables whose rule lets
# nothing be inserted.
sub building
{
	my $lines = 100_000;
	return by_workload(sub {
		my ($workload) = @_;
		my $file = file_of_lines($workload, $lines);
		make_schema();
		my $store = "SELECT insert_lines('lines', pg_read_file('$file'))";
		look($store);
		look(join ';', map { "CREATE RULE nothing AS ON INSERT TO lines.$_ DO INSTEAD NOTHING" } tables('lines'));

		my $session = new_session();
		$session->query_safe($store);
		my @cpu = map { cpu_of_query($session, $store, $lines) } 1 .. $option{repeat};
		$session->quit;
		my $built = { lines => $lines, bytes => -s $file, cpu => median(@cpu) };
		progress('    %d lines of %d bytes, CPU %.2f s/million', $lines, $built->{bytes} / $lines, $built->{cpu});
		return $built;
	});
}

# Seconds of CPU for a million lines that a query of a session takes, which has so many of them.
sub cpu_of_query
{
	my ($session, $query, $lines) = @_;
	my $pid = $session->query_safe('SELECT pg_backend_pid()');
	my $before = cpu_of($pid);
	$session->query_safe($query);
	return per_million(cpu_since($pid, $before), $lines)->{seconds};
}

# The path of a file with so many lines.
sub file_of_lines
{
	my ($workload, $lines) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir('lines') . '/lines';
	system("build/bench/send --print --lines $lines --workload $workload >'$file'") == 0
	  or die "no lines of workload $workload\n";
	return $file;
}

# A write that has to wait for a second while lines come in.
sub held
{
	my $lock = new_session();
	my %held = (
		'a lock on the table' => sub {
			$lock->query_safe('BEGIN; LOCK TABLE lines.cpu IN ACCESS EXCLUSIVE MODE');
			Time::HiRes::sleep(1);
			$lock->query_safe('COMMIT');
		},
		'a slow fdatasync()' => \&slow_sync);
	my @steps;
	foreach my $by (sort keys %held)
	{
		my $listener = start_listener(workload => 'tsbs');
		# Rows need not lie in a table in the order in which they were inserted.
		look('ALTER TABLE lines.cpu ADD COLUMN arrived bigint GENERATED BY DEFAULT AS IDENTITY');
		my $run = measure(
			$listener,
			seconds => 5,
			rate => $option{rate} // 100_000,
			meanwhile => sub { Time::HiRes::sleep(1); $held{$by}->(); });
		$run->{by} = $by;
		$run->{out_of_order} = 0 + look('SELECT count(*) FROM'
			  . ' (SELECT time <= lag(time) OVER (ORDER BY arrived) AS late FROM lines.cpu) AS s WHERE late');
		stop_listener($listener);
		show($run);
		die "$run->{out_of_order} rows are out of order\n" if $run->{out_of_order} != 0;
		die "$run->{lost} lines were lost behind $by\n" if $run->{lost} != 0;
		push @steps, $run;
	}
	$lock->quit;
	return \@steps;
}

# The same number of lines for more and more tables.
sub cardinality
{
	my $rate = POSIX::ceil(0.5 * saturation('many'));
	my @steps;
	foreach my $count (@measurements)
	{
		my $listener = start_listener(workload => 'many', measurements => $count);
		my $run = measure($listener, lines => POSIX::ceil($rate * $option{seconds}), rate => $rate);
		stop_listener($listener);
		push @steps, { measurements => $count, %$run };
		show($run);
	}
	return \@steps;
}

# What a line costs as tables grow.
sub growth
{
	return by_workload(sub {
		my ($workload) = @_;
		my $rate = POSIX::ceil(0.6 * saturation($workload));
		my $listener = start_listener(workload => $workload);
		my @steps;
		foreach my $window (@windows)
		{
			my $run = measure($listener, seconds => $option{seconds}, rate => $rate);
			push @steps, { rows => $listener->{in_tables}, %$run };
			show($run);
		}
		stop_listener($listener);
		return \@steps;
	});
}

# A function _create that makes a table with an ordinary column for each tag, and then runs a statement of
# PL/pgSQL, to which metric and tags are known.
sub create_function
{
	my ($statement) = @_;
	return <<"END";
CREATE FUNCTION _create(metric name, tags name[], fields name[]) RETURNS regclass LANGUAGE plpgsql AS \$\$
DECLARE
  tag name;
BEGIN
  EXECUTE format('CREATE TABLE %I (time timestamptz NOT NULL)', metric);
  FOREACH tag IN ARRAY tags LOOP
    EXECUTE format('ALTER TABLE %I ADD COLUMN %I text', metric, tag);
  END LOOP;
  $statement;
  RETURN format('%I', metric)::regclass;
END \$\$
END
}

# Runs of the same load into a plain table, and into tables for which a statement of create_function is given by
# name. The repetitions of each workload, and the ratios of the last table's rate to the others'; check is called
# when the last one has run, with the workload and the repetition's numbers.
sub compare_tables
{
	my ($check, @tables) = @_;
	unshift @tables, plain => 'NULL';
	my %statements = @tables;
	my @names = pairkeys @tables;
	my ($last, @others) = reverse @names;
	my %result;
	foreach my $repetition (1 .. $option{repeat})
	{
		foreach my $workload (@workloads)
		{
			my @load = saturating_load($workload);
			my %run;
			foreach my $name (@names)
			{
				my $listener = start_listener(workload => $workload, prepare => create_function($statements{$name}));
				$run{$name} = measure($listener, @load);
				stop_listener($listener);
			}
			$run{ratio} = { map { $_ => $run{$last}{rate} / $run{$_}{rate} } @others };
			progress(
				'  %-7s %d: lines/s %s; %s', $workload, $repetition,
				join(', ', map { sprintf '%s %.0f', $_, $run{$_}{rate} } @names),
				join(', ', map { sprintf '%s / %s %.2f', $last, $_, $run{ratio}{$_} } reverse @others));
			$check->($workload, \%run);
			push @{ $result{$workload} }, \%run;
		}
	}
	return map { $_ => { median => medians(@{ $result{$_} }), runs => $result{$_} } } keys %result;
}

# The same load into a plain table, into one with an index on its time, as a hypertable has it, and into a
# hypertable of TimescaleDB.
sub hypertable
{
	look('SET client_min_messages = error; CREATE EXTENSION timescaledb');
	return {
		postgresql => look('SHOW server_version'),
		timescaledb => look("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'"),
		compare_tables(
			\&check_chunks,
			index => "EXECUTE format('CREATE INDEX ON %I (time DESC)', metric)",
			hypertable => "PERFORM create_hypertable(format('%I', metric)::regclass, 'time')") };
}

sub check_chunks
{
	my $chunks = look("SELECT count(*) FROM timescaledb_information.chunks WHERE hypertable_schema = 'lines'");
	die "the rows are in no chunk\n" if $chunks == 0;
	return;
}

# The same load into a plain table, into one with an index on its time and a tag, and into one where that index
# is a key; and what rows cost there that are new, and such as are known, beside plain SQL.
sub keyed
{
	my $index = "INDEX ON %I (time, %I)', metric, tags[1])";
	my $key = "EXECUTE format('CREATE UNIQUE $index";
	my $upsert = sub {
		my ($workload, $run) = @_;
		$run->{upsert} = upsert($workload, create_function($key));
		progress('  %-7s    CPU s/million: %s', $workload,
			join(', ', map { sprintf '%s: lines %.2f, SQL %.2f', $_, @{ $run->{upsert}{$_} }{qw(lines sql)} } qw(new known)));
	};
	return { compare_tables($upsert, index => "EXECUTE format('CREATE $index", key => $key) };
}

# CPU for a million rows in tables with a key: of lines that a session stores, and of the same rows from other
# tables by INSERT ... ON CONFLICT; at first all of them are new, and then all of them are there.
sub upsert
{
	my ($workload, $prepare) = @_;
	my $lines = 100_000;
	my $file = file_of_lines($workload, $lines);
	make_schema($prepare);
	my $session = new_session();
	my %query = (lines => "SELECT insert_lines('lines', pg_read_file('$file'))");
	$session->query_safe($query{lines});

	my @tables = tables('lines');
	look('CREATE SCHEMA source; CREATE SCHEMA copied');
	look("CREATE TABLE source.$_ AS TABLE lines.$_; CREATE TABLE copied.$_ (LIKE lines.$_ INCLUDING ALL)") foreach @tables;
	$query{sql} = join ';',
	  map { "INSERT INTO copied.$_ SELECT * FROM source.$_ ON CONFLICT " . last_one_wins("copied.$_") } @tables;
	look('TRUNCATE ' . join ', ', map { "lines.$_" } @tables);

	my %cpu;
	foreach my $state (qw(new known))
	{
		foreach my $way (qw(lines sql))
		{
			look('CHECKPOINT');
			$cpu{$state}{$way} = cpu_of_query($session, $query{$way}, $lines);
		}
		$cpu{$state}{ratio} = $cpu{$state}{lines} / $cpu{$state}{sql};
	}
	$session->quit;
	unlink $file;
	my @rows = map { rows_of($_) } qw(lines copied);
	die "there are @rows rows for $lines points\n" if grep { $_ != $lines } @rows;
	look('DROP SCHEMA source, copied CASCADE');
	return \%cpu;
}

# What follows ON CONFLICT for a table with one unique index: all other columns get what is new.
sub last_one_wins
{
	my ($table) = @_;
	return look(<<"END");
SELECT format('(%s) DO UPDATE SET %s', string_agg(quote_ident(attname), ', ') FILTER (WHERE attnum = ANY (indkey)),
  string_agg(format('%1\$I = EXCLUDED.%1\$I', attname), ', ') FILTER (WHERE attnum <> ALL (indkey)))
FROM pg_index JOIN pg_attribute ON attrelid = indrelid
WHERE indrelid = '$table'::regclass AND indisunique AND attnum > 0
END
}

# Whether memory grows with time.
sub memory
{
	return by_workload(sub {
		my ($workload) = @_;
		my $rate = $option{rate} // min(50_000, POSIX::ceil(0.6 * saturation($workload)));
		my $seconds = $option{'memory-seconds'};
		my $listener = start_listener(workload => $workload);
		my @samples;
		my $start = now_seconds();
		my $run = measure(
			$listener,
			seconds => $seconds,
			rate => $rate,
			meanwhile => sub {
				while (now_seconds() - $start < $seconds)
				{
					push @samples, { seconds => now_seconds() - $start, %{ memory_of($listener->{pid}) } };
					Time::HiRes::sleep(max(1, $seconds / 120));
				}
			});
		stop_listener($listener);
		show($run);
		return { %$run, samples => \@samples };
	});
}

# What a sender can do to the memory of a listener: new measurements of 900 fields, 64 sets of the fields of tables
# that are there, thousands of small tables, and short lines that make wide rows; again and again, with other names
# each time. What was made is dropped in between. All lines have to be stored.
sub attack
{
	make_schema();
	look('SET client_min_messages = warning');
	my $port = free_udp_port();
	# It is about memory: nothing is to slow the attack down.
	configure(node(), 'influx.max_ddl_rate' => 1_000_000);
	my $pid = launch(node(), $port, schema => 'lines');
	my $socket = udp($port);
	my $sent = 0;
	my @samples;
	my $start = now_seconds();
	my $send = sub {
		while (my @next = splice @_, 0, 100)
		{
			foreach my $text (@next)
			{
				send_text($socket, $text);
				$sent += 1 + $text =~ tr/\n//;
			}
			poll_until(sub {
				push @samples, { seconds => now_seconds() - $start, %{ memory_of($pid) } };
				return look("SELECT stored FROM pg_stat_influx WHERE pid = $pid") == $sent;
			}, 600) // die "not all of $sent lines are stored\n";
		}
	};
	my $fields = sub { return join ',', map { "f$_=1" } 1 .. $_[0] };
	my $steps = $option{steps} // 1000;
	my ($wide, $sets, $small) = (min(500, 50 * $steps), min(64, 8 * $steps), min(60, 6 * $steps));
	my $round = 0;
	do
	{
		$round++;
		$send->(map { "wide${round}_$_ " . $fields->(900) } 1 .. $wide);
		$send->(map { my $set = $fields->(POSIX::ceil(900 * $_ / 64)); map { "wide${round}_$_ $set" } 1 .. 30 } 1 .. $sets);
		$send->(map { my $group = $_; join "\n", map { "small${round}_${group}_$_,h=a v=1,w=2" } 1 .. 50 } 1 .. $small);
		$send->(map { join "\n", ("wide${round}_1 f1=1") x 2500 } 1 .. 100);
		my @tables = tables('lines');
		while (my @some = splice @tables, 0, 200) { look('DROP TABLE ' . join(', ', map { "lines.$_" } @some)) }
		progress('  round %d: %d lines, %.0f MB at most', $round, $sent, max(map { $_->{RssAnon} } @samples) / 1024);
	} while (now_seconds() - $start < $option{'memory-seconds'});
	my %run = (rounds => $round, lines => $sent, seconds => now_seconds() - $start, samples => \@samples);
	look("SELECT pg_terminate_backend($pid)");
	wait_gone($pid) // die "the listener does not end\n";
	configure(node(), 'influx.max_ddl_rate' => undef);
	return \%run;
}

sub by_workload
{
	my ($part) = @_;
	my %result;
	foreach my $workload (@workloads)
	{
		progress('  %s', $workload);
		$result{$workload} = $part->($workload);
	}
	return \%result;
}

sub show
{
	my ($run) = @_;
	my $latency = $run->{latency};
	progress(
		'    offered %8.0f lines/s, stored %8.0f, lost %d, CPU %.2f s/million%s',
		@$run{qw(offered rate lost)}, $run->{cpu}{seconds},
		$latency ? sprintf(', visible after %.1f, %.1f, %.1f ms', map { 1000 * $_ } @$latency{qw(p50 p99 max)}) : '');
	return;
}

# --- all of it ------------------------------------------------------------------------------------

sub machine
{
	my ($model) = slurp_file('/proc/cpuinfo') =~ /^model name\s*:\s*(.*)/m;
	my $cores = () = slurp_file('/proc/cpuinfo') =~ /^processor\s*:/mg;
	my ($memory) = slurp_file('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/m;
	my ($rmem_max) = slurp_file('/proc/sys/net/core/rmem_max') =~ /(\d+)/;
	return {
		cpu => $model // 'unknown',
		cores => $cores,
		memory_kb => $memory + 0,
		kernel => join(' ', (POSIX::uname())[ 0, 2, 4 ]),
		postgresql => look('SHOW server_version'),
		rmem_max => $rmem_max + 0,
		date => POSIX::strftime('%Y-%m-%d', gmtime),
	};
}

sub main
{
	GetOptions(\%option, 'parts=s', 'workloads=s', 'repeat=i', 'seconds=f', 'memory-seconds=f', 'rate=f', 'steps=i', 'json=s')
	  or die "unknown option\n";
	my @chosen = split /[ ,]+/, $option{parts};
	@workloads = split /[ ,]+/, $option{workloads};
	@chosen = map { $_ eq 'all' ? qw(throughput rates steady batch latency trickle building held cardinality growth keyed) : $_ } @chosen;
	exists $parts{$_} or die "there is no part \"$_\"\n" foreach @chosen;

	if (defined $option{steps})
	{
		splice @$_, min($option{steps}, scalar @$_)
		  foreach \(@fractions, @batch_sizes, @latency_rates, @measurements, @windows);
	}

	new_bench_node((grep { $_ eq 'hypertable' } @chosen) ? 'timescaledb' : ());
	my %result = (
		machine => machine(),
		settings => $InfluxBench::settings,
		options => { map { $_ => $option{$_} } qw(repeat seconds memory-seconds rate) },
		parts => {});
	foreach my $name (@chosen)
	{
		progress('%s', $name);
		$result{parts}{$name} = $parts{$name}->();
		next unless defined $option{json};
		open(my $file, '>', $option{json}) or die "$option{json}: $!\n";
		print {$file} JSON::PP->new->pretty->canonical->encode(\%result);
		close $file or die "$option{json}: $!\n";
	}
	return;
}

$SIG{$_} = sub { die "ended by a signal\n" } foreach qw(INT TERM HUP);
if (!eval { main(); 1 })
{
	progress('FAILED: %s', $@ =~ s/\n\z//r);
	exit 1;
}
