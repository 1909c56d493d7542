# What the parts of the end-to-end benchmark share: a server set up to be measured, a listener whose lines are
# accounted for to the last one, and readings of what a process has used.
package InfluxBench;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP ();
use List::Util qw(sum0);
use POSIX ();

use InfluxTest;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(
  progress new_bench_node node new_session look
  start_listener stop_listener make_schema truncate_tables tables rows_of
  measure per_million start_send finish_send slow_sync
  cpu_of cpu_since memory_of wal_position wal_since
  median
);

# What the server has beside the defaults of initdb. PostgreSQL::Test::Cluster sets some things for tests, which
# are set back here.
our $settings = <<'END';
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 30min
autovacuum = off
fsync = on
wal_level = replica
max_wal_senders = 10
restart_after_crash = on
END

# A listener has written all where it is idle and has been for so long; longer than influx.batch_timeout.
my $quiet_seconds = 0.5;

# --- output ---------------------------------------------------------------------------------------

# The modules for tests take standard output away; what is printed for them is not for us.
my $output;

sub progress
{
	my ($format, @values) = @_;
	if (!defined $output)
	{
		$output = Test::More->builder->output;
		open(my $nowhere, '>', '/dev/null') or die "/dev/null: $!";
		Test::More->builder->output($nowhere);
	}
	print {$output} sprintf("$format\n", @values);
	return;
}

# --- server ---------------------------------------------------------------------------------------

my ($node, $session);
my $slow_sync_marker = PostgreSQL::Test::Utils::tempdir_short() . '/slow_sync';

# Libraries that are to be preloaded may be given.
sub new_bench_node
{
	my (@libraries) = @_;
	progress('starting a server');
	# For slow_sync().
	local $ENV{LD_PRELOAD} = "$FindBin::RealBin/../../build/bench/slow_sync.so";
	local $ENV{INFLUX_BENCH_SLOW_SYNC} = $slow_sync_marker;
	$node = new_node('bench', $settings . "shared_preload_libraries = '" . join(',', @libraries) . "'\n");
	$session = new_session();
	look(<<'END');
CREATE FUNCTION rows_of(schema name) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  found name;
  total bigint := 0;
  more bigint;
BEGIN
  FOR found IN SELECT tablename FROM pg_tables WHERE schemaname = schema LOOP
    EXECUTE format('SELECT count(*) FROM %I.%I', schema, found) INTO more;
    total := total + more;
  END LOOP;
  RETURN total;
END $$;
END
	return;
}

sub node { return $node; }

# Lets the next fdatasync() of the server take a second more; see slow_sync.cpp.
sub slow_sync
{
	PostgreSQL::Test::Utils::append_to_file($slow_sync_marker, '');
	return;
}

# A session whose errors are those of its queries, not its end.
sub new_session
{
	my $new = $node->background_psql('postgres', on_error_stop => 0);
	$new->set_query_timer_restart;
	return $new;
}

# A query by the session that is there for all small things.
sub look { return $session->query_safe($_[0]); }

# Makes schema lines anew, with what $prepare makes in it.
sub make_schema
{
	my ($prepare) = @_;
	look('SET client_min_messages = warning; DROP SCHEMA IF EXISTS lines CASCADE; CREATE SCHEMA lines');
	look("SET search_path = lines, public; $prepare; RESET search_path") if defined $prepare;
	return;
}

sub tables
{
	return split /\n/, look("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = '$_[0]' ORDER BY 1");
}

sub rows_of { return look("SELECT rows_of('$_[0]')"); }

sub wal_position { return look("SELECT pg_current_wal_insert_lsn()"); }
sub wal_since { return look("SELECT pg_current_wal_insert_lsn() - '$_[0]'"); }

# --- readings -------------------------------------------------------------------------------------

# Seconds of CPU that the threads of a process have used, that of the catcher once more apart; ticks tell how
# much of it was in the kernel.
sub cpu_of
{
	my ($pid) = @_;
	my %cpu = (seconds => 0, catcher => 0, user_ticks => 0, system_ticks => 0);
	foreach my $task (glob("/proc/$pid/task/*"))
	{
		my ($ns) = split ' ', slurp_file("$task/schedstat");
		my ($name, $rest) = slurp_file("$task/stat") =~ /\((.*)\) (.*)/s;
		my ($user, $system) = (split ' ', $rest)[ 11, 12 ];
		$cpu{seconds} += $ns / 1e9;
		$cpu{catcher} += $ns / 1e9 if $name eq 'influx-catcher';
		$cpu{user_ticks} += $user;
		$cpu{system_ticks} += $system;
	}
	return \%cpu;
}

sub cpu_since
{
	my ($pid, $before) = @_;
	my $now = cpu_of($pid);
	my %used = map { $_ => $now->{$_} - $before->{$_} } keys %$now;
	my ($user, $system) = delete @used{qw(user_ticks system_ticks)};
	my $share = $user + $system > 0 ? $user / ($user + $system) : 0;
	return { %used, user => $used{seconds} * $share, system => $used{seconds} * (1 - $share) };
}

# Each value of a hash of seconds, for a million lines.
sub per_million
{
	my ($seconds, $lines) = @_;
	return { map { $_ => $lines > 0 ? $seconds->{$_} / $lines * 1e6 : 0 } keys %$seconds };
}

# Kilobytes of memory: the most so far, shared memory that was touched included; and what is the process's own.
sub memory_of
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");
	return { map { $status =~ /^\Q$_\E:\s+(\d+) kB/m ? ($_ => $1 + 0) : () } qw(VmHWM RssAnon RssShmem) };
}

# What the kernel knows of the sockets of a port: bytes that wait, and datagrams that it dropped.
sub kernel_of
{
	my ($port) = @_;
	my ($waiting, $drops) = (0, 0);
	my $local = sprintf ':%04X', $port;
	foreach my $line (map { split /\n/, slurp_file($_) } grep { -r } qw(/proc/net/udp /proc/net/udp6))
	{
		my @columns = split ' ', $line;
		next unless $columns[1] =~ /\Q$local\E$/;
		$waiting += hex((split /:/, $columns[4])[1]);
		$drops += $columns[-1];
	}
	return ($waiting, $drops);
}

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $middle = @sorted / 2;
	return @sorted % 2 ? $sorted[$middle] : ($sorted[ $middle - 1 ] + $sorted[$middle]) / 2;
}

# --- sender ---------------------------------------------------------------------------------------

my %children;

# Starts the sender; options as on its command line, without dashes.
sub start_send
{
	my ($listener, %options) = @_;
	my @arguments = ('--port', $listener->{port});
	foreach my $name (sort keys %options)
	{
		push @arguments, "--$name", $options{$name} if defined $options{$name};
	}
	my $pid = open(my $reader, '-|', 'build/bench/send', @arguments) or die "no sender: $!";
	$children{$pid} = 1;
	return { pid => $pid, reader => $reader, listener => $listener };
}

# Waits until it is done. Returns what it tells.
sub finish_send
{
	my ($sender) = @_;
	my $text = do { local $/; readline $sender->{reader} };
	my $ended_well = close $sender->{reader};
	delete $children{ $sender->{pid} };
	die "the sender failed; see the log\n" unless $ended_well;
	my $sent = JSON::PP::decode_json($text);
	die "the sender met $sent->{errors} errors\n" if $sent->{errors} > 0;
	my $all = $sender->{listener}{sent};
	$all->{$_} += $sent->{$_} foreach qw(lines datagrams);
	return $sent;
}

END
{
	my $status = $?;
	kill 'TERM', keys %children;
	$? = $status;
}

# --- listener -------------------------------------------------------------------------------------

# A listener for schema lines, which is made anew. Tables are made by a slow run, which is not measured. Options:
# those of the sender, and
#   prepare   SQL that is run in the schema before
sub start_listener
{
	my (%workload) = @_;
	make_schema(delete $workload{prepare});
	my $listener = {
		port => free_udp_port(),
		offset => log_size($node),
		sent => { lines => 0, datagrams => 0 },
		known => { refused => 0, given_up => 0 },
		rows => 0,
		in_tables => 0,
		workload => \%workload,
	};
	$listener->{pid} = launch($node, $listener->{port}, schema => 'lines');
	measure($listener, lines => 20_000, rate => 20_000);
	truncate_tables($listener);
	return $listener;
}

# Empties the tables.
sub truncate_tables
{
	my ($listener) = @_;
	look('TRUNCATE ' . join(', ', map { "lines.$_" } tables('lines')));
	$listener->{in_tables} = 0;
	return;
}

# Waits until all that was sent is visible. Returns the time of that, by the clock, in seconds since the epoch:
# the end of the last write.
sub wait_until_written
{
	my ($listener) = @_;
	my $query =
	    "SELECT extract(epoch FROM state_change) FROM pg_stat_activity WHERE pid = $listener->{pid} AND state = 'idle'"
	  . " AND state_change < clock_timestamp() - $quiet_seconds * interval '1 second'";
	return poll_until(
		sub {
			my ($waiting) = kernel_of($listener->{port});
			return $waiting == 0 && look($query);
		})
	  // die "the listener does not come to an end\n";
}

# Sends, and waits until all of it is stored or lost. Options: those of the sender.
#   meanwhile   a function that is called while lines are sent
#   settled     whether not to begin with a checkpoint
sub measure
{
	my ($listener, %options) = @_;
	my ($pid, $port) = @$listener{qw(pid port)};
	my ($meanwhile, $settled) = delete @options{qw(meanwhile settled)};
	look('CHECKPOINT') unless $settled;
	my (undef, $dropped) = kernel_of($port);
	my %before = (cpu => cpu_of($pid), wal => wal_position());

	my $sender = start_send($listener, %{ $listener->{workload} }, %options);
	$meanwhile->() if defined $meanwhile;
	my $sent = finish_send($sender);
	my $seconds = wait_until_written($listener) - $sent->{first_ns} / 1e9;

	my $cpu = cpu_since($pid, $before{cpu});
	my $wal = wal_since($before{wal});
	my $rows = rows_of('lines');
	my $stored = $rows - $listener->{in_tables};
	$listener->{in_tables} = $rows;
	$listener->{rows} += $stored;
	my %run = (
		sent => $sent->{lines},
		bytes => $sent->{bytes},
		datagrams => $sent->{datagrams},
		offered => $sent->{rate},
		stored => $stored,
		lost => $sent->{lines} - $stored,
		lost_share => 1 - $stored / $sent->{lines},
		seconds => $seconds,
		rate => $stored / $seconds,
		cpu => per_million($cpu, $stored),
		cpu_share => $cpu->{seconds} / $seconds,
		wal => $stored > 0 ? $wal / $stored : 0,
		memory => memory_of($pid));
	$run{dropped} = (kernel_of($port))[1] - $dropped;
	account($listener, \%run, $sent);
	return \%run;
}

# Finds out where the lines are that were not stored: refused, or in datagrams that were dropped by the kernel or
# given up with a batch, of which each held as many lines as datagrams do. The log lags behind by a second.
sub account
{
	my ($listener, $run, $sent) = @_;
	my $known = $listener->{known};
	my $explained = sub {
		my ($single, $left_out) = refusals($node, $listener->{pid}, $listener->{offset});
		$run->{refused} = $single + $left_out - $known->{refused};
		my $log = log_of($node, $listener->{pid}, $listener->{offset});
		$run->{given_up} = sum0($log =~ /influx: (\d+) datagrams lost: (?!the kernel's buffer)/g) - $known->{given_up};
		my $datagrams = $run->{dropped} + $run->{given_up};
		my $lines = $run->{lost} - $run->{refused};
		return $lines >= $datagrams * $sent->{least_lines} && $lines <= $datagrams * $sent->{most_lines};
	};
	poll_until($explained, 3)
	  or die sprintf(
		"unaccounted: of %d lines sent %d are not stored; %d were refused, and %d datagrams of %d to %d lines were"
		  . " dropped by the kernel and %d given up\n",
		@$run{qw(sent lost refused dropped)}, @$sent{qw(least_lines most_lines)}, $run->{given_up});
	$known->{$_} += $run->{$_} foreach qw(refused given_up);
	return;
}

# Stops it, and holds what it tells of its life against what was sent to it and was found in the tables.
sub stop_listener
{
	my ($listener) = @_;
	my ($pid, $sent) = @$listener{qw(pid sent)};
	my (undef, $dropped) = kernel_of($listener->{port});
	look("SELECT pg_terminate_backend($pid)");
	wait_gone($pid) // die "the listener does not end\n";
	my ($received, $stored, $refused) = log_of($node, $pid, $listener->{offset}) =~
	  /stopped: (\d+) datagrams received, (\d+) points stored, (\d+) lines refused/
	  or die "the listener did not tell what it has done\n";
	die "unaccounted: $sent->{datagrams} datagrams sent, $received received, $dropped dropped by the kernel\n"
	  if $sent->{datagrams} != $received + $dropped;
	die "unaccounted: $stored points stored as the listener tells, $listener->{rows} rows in the tables\n"
	  if $stored != $listener->{rows};
	die "unaccounted: $refused lines refused as the listener tells, $listener->{known}{refused} reported in the log\n"
	  if $refused != $listener->{known}{refused};
	return;
}

1;
