# What the TAP tests of influx share: a server with the extension, free ports, senders, and waiting for
# what can be seen from outside. Nothing here waits for a time to pass; all waits are for an effect.
package InfluxTest;

use strict;
use warnings;

use Exporter qw(import);
use Fcntl qw(:flock);
use IO::Socket::IP;
use POSIX  ();
use Socket qw(SOCK_DGRAM);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

use InfluxNode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(
  new_node create_database launch listeners listener_count
  free_udp_port udp send_text datagrams send_lines
  start_sender stop_sender wait_sender
  start_process stop_process is_bound
  now_seconds poll_until wait_for_value wait_for_rows wait_gone is_running
  configure wait_for_reload has_pending_hangup error_of
  log_size log_since wait_for_log log_of refusals
);

# --- time -----------------------------------------------------------------------------------------

sub now_seconds { return clock_gettime(CLOCK_MONOTONIC); }

# Calls $check until it returns something true, and returns that; nothing when the deadline has passed.
sub poll_until
{
	my ($check, $seconds) = @_;
	my $deadline = now_seconds() + ($seconds // $PostgreSQL::Test::Utils::timeout_default);
	for (;;)
	{
		my $answer = $check->();
		return $answer if $answer;
		return if now_seconds() > $deadline;
		Time::HiRes::sleep(0.05);
	}
}

# --- server ---------------------------------------------------------------------------------------

# A running server with the extension in schema public of database postgres. Refused lines are logged, where
# tests look for them; those of influx_rejects have a test of their own. What is given behind the settings is
# for initdb.
sub new_node
{
	my ($name, $settings, @initdb) = @_;
	my $node = InfluxNode->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--locale=C', @initdb ]);
	$node->append_conf('postgresql.conf', "log_statement = none\nmax_worker_processes = 16\ninflux.rejects = log\n");
	$node->append_conf('postgresql.conf', $settings) if defined $settings;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION influx');
	return $node;
}

sub create_database
{
	my ($node, $name, $options) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name " . ($options // ''));
	$node->safe_psql($name, 'CREATE EXTENSION influx');
	return;
}

# Starts a listener and returns its pid. Options: schema, database, precision, role.
sub launch
{
	my ($node, $port, %options) = @_;
	my $schema = $options{schema} // 'public';
	my $precision = $options{precision} // 'ns';
	my $database = $options{database} // 'postgres';
	my $connstr = $node->connstr($database);
	$connstr .= " user=$options{role}" if defined $options{role};
	my ($status, $pid, $errors) = $node->psql(
		$database,
		"SELECT worker_launch('$schema', $port, '$precision')",
		connstr => $connstr);
	die "could not launch a listener: $errors" if $status != 0;
	return $pid;
}

# The pids of all listeners.
sub listeners
{
	my ($node) = @_;
	my $pids = $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'influx listener' ORDER BY pid");
	return split /\n/, $pids;
}

sub listener_count { my @pids = listeners(@_); return scalar @pids; }

# Whether the process is there and is not only the memory of one that nobody has waited for.
sub is_running
{
	my ($pid) = @_;
	open(my $stat, '<', "/proc/$pid/stat") or return 0;
	my $line = <$stat>;
	return 0 unless defined $line && $line =~ /\) (\S)/;
	return $1 ne 'Z' && $1 ne 'X';
}

# Waits until the process has ended. Returns the seconds it took; nothing where it did not end.
sub wait_gone
{
	my ($pid) = @_;
	my $start = now_seconds();
	return unless poll_until(sub { !is_running($pid) });
	return now_seconds() - $start;
}

# Waits until the query returns $expected; a test.
sub wait_for_value
{
	my ($node, $query, $expected, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok($node->poll_query_until($database // 'postgres', $query, $expected), $name);
}

# Waits until the table holds exactly so many rows; a test.
sub wait_for_rows
{
	my ($node, $table, $count, $name, $database) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return wait_for_value($node, "SELECT count(*) FROM $table", $count, $name, $database);
}

# Settings of the server, by ALTER SYSTEM and reload; waits until each of the listeners has read them.
sub configure
{
	my ($node, %settings) = @_;
	my $script = "LOAD 'influx';\n";
	foreach my $name (sort keys %settings)
	{
		$script .=
		  defined $settings{$name}
		  ? "ALTER SYSTEM SET $name = $settings{$name};\n"
		  : "ALTER SYSTEM RESET $name;\n";
	}
	my $offset = log_size($node);
	my @pids = listeners($node);
	$node->safe_psql('postgres', $script);
	$node->reload;
	wait_for_reload($node, $offset, $_) foreach @pids;
	return;
}

# A listener reports its sockets each time it has read the configuration.
sub wait_for_reload
{
	my ($node, $offset, $pid) = @_;
	poll_until(sub { log_since($node, $offset) =~ /\[$pid\] (?:LOG|WARNING):  influx: listening on/ })
	  or die "listener $pid did not reload";
	return;
}

# Whether SIGHUP waits for a process that is held.
sub has_pending_hangup
{
	my ($process) = @_;
	my ($pending) = slurp_file("/proc/$process/status") =~ /^ShdPnd:\s+([0-9a-f]+)/m;
	return hex($pending) & 1;
}

# Runs SQL that fails, and returns the error as a hash: message, sqlstate, detail, hint. Options: database,
# connstr.
sub error_of
{
	my ($node, $sql, %options) = @_;
	my ($status, $output, $errors) = $node->psql(
		$options{database} // 'postgres', $sql,
		defined $options{connstr} ? (connstr => $options{connstr}) : (),
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my %error = (status => $status, output => $output, message => '', sqlstate => '', detail => '', hint => '');
	if ($errors =~ /ERROR:  (\w{5}): (.*)/)
	{
		($error{sqlstate}, $error{message}) = ($1, $2);
	}
	$error{detail} = $1 if $errors =~ /^DETAIL:  (.*)/m;
	$error{hint} = $1 if $errors =~ /^HINT:  (.*)/m;
	return \%error;
}

# --- log ------------------------------------------------------------------------------------------

sub log_size { return -s $_[0]->logfile; }

sub log_since
{
	my ($node, $offset) = @_;
	return slurp_file($node->logfile, $offset // 0);
}

# Waits for a line of the log; a test.
sub wait_for_log
{
	my ($node, $pattern, $offset, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ok(poll_until(sub { log_since($node, $offset) =~ $pattern }), $name);
}

# What a process wrote to the log, as one text; the continuation lines of a report belong to it.
sub log_of
{
	my ($node, $pid, $offset) = @_;
	my ($text, $ours) = ('', 0);
	foreach my $line (split /^/, log_since($node, $offset))
	{
		$ours = $1 == $pid if $line =~ /^\d{4}-\d\d-\d\d [^\[]*\[(\d+)\] /;
		$text .= $line if $ours;
	}
	return $text;
}

# How many lines a listener has refused, as told by its log: reported one by one, and as a number of
# those left out.
sub refusals
{
	my ($node, $pid, $offset) = @_;
	my $text = log_of($node, $pid, $offset);
	my $single = () = $text =~ /influx: line refused: /g;
	my $left_out = 0;
	$left_out += $1 while $text =~ /influx: (\d+) more lines refused/g;
	return ($single, $left_out);
}

# --- senders --------------------------------------------------------------------------------------

# Files of the ports that this test has, each with a lock that ends with the test.
my %ports_taken;
my $ports_tried = 0;

# A UDP port that is free on the loopback of both families, and stays this test's: other tests that run beside
# this one do not get it, and as it is below those that the kernel gives out, no socket of a sender does.
sub free_udp_port
{
	my $directory = $PostgreSQL::Test::Utils::tmp_check . '/udp_ports';
	mkdir $directory;
	my $last = (split ' ', slurp_file('/proc/sys/net/ipv4/ip_local_port_range'))[0] - 1;
	my $count = 12_000;
	foreach (1 .. $count)
	{
		# From a place of its own on, without rand(): tests print the seed that makes them what they are.
		my $port = $last - (37 * $$ + $ports_tried++) % $count;
		next if exists $ports_taken{$port};
		open(my $file, '>', "$directory/$port") or die "could not write $directory/$port: $!";
		next unless flock($file, LOCK_EX | LOCK_NB);
		my ($four, $six) =
		  map { IO::Socket::IP->new(Type => SOCK_DGRAM, LocalHost => $_, LocalPort => $port) } '127.0.0.1', '::1';
		next unless defined $four && defined $six;
		$ports_taken{$port} = $file;
		return $port;
	}
	die "no free UDP port";
}

# A socket that sends to a port, from an address of this machine if one is given.
sub udp
{
	my ($port, $host, $from) = @_;
	return IO::Socket::IP->new(
		Type => SOCK_DGRAM,
		PeerHost => $host // '127.0.0.1',
		PeerPort => $port,
		defined $from ? (LocalHost => $from) : ())
	  // die "could not make a UDP socket: $@";
}

# Sends one datagram.
sub send_text
{
	my ($socket, $text) = @_;
	my $sent = $socket->send($text);
	die "could not send: $!" unless defined $sent && $sent == length $text;
	return;
}

# Lines, packed into datagrams of at most $most bytes.
sub datagrams
{
	my ($most, @lines) = @_;
	my @packed = ('');
	foreach my $line (@lines)
	{
		push @packed, '' if $packed[-1] ne '' && length($packed[-1]) + length($line) + 1 > $most;
		$packed[-1] .= "$line\n";
	}
	return @packed;
}

sub send_lines
{
	my ($socket, @lines) = @_;
	send_text($socket, $_) foreach datagrams(1400, @lines);
	return;
}

# Whether somebody listens on the UDP port of 127.0.0.1.
sub is_bound
{
	# The local address is the first one; a sender has the port in the second.
	my $local = sprintf('0100007F:%04X ', $_[0]);
	return slurp_file('/proc/net/udp') =~ /^\s*\d+: $local/m;
}

my %senders;

# Starts a program that stays in the foreground, with its output in a file; stop_process() ends it.
sub start_process
{
	my ($output, @command) = @_;
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		open(STDOUT, '>', $output);
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}
	$senders{$pid} = 1;
	return $pid;
}

# Returns the signal that ended the program, or 0 where it ended by itself.
sub stop_process
{
	my ($pid) = @_;
	kill 'TERM', $pid;
	waitpid($pid, 0);
	my $signal = $? & 127;
	delete $senders{$pid};
	return $signal;
}

# Sends in a process of its own, until stop_sender() or the end of what is asked for:
#   port, host  where to
#   line        a function that makes the line of a number; numbers start at 1
#   rate        lines a second; without it, as fast as it goes
#   bytes       most bytes of a datagram, 1400
#   lines       most lines of a datagram
#   count       lines in all
#   seconds     time in all
# A sender that was kept from running does not make up for more than a tenth of a second at once.
sub start_sender
{
	my (%options) = @_;
	pipe(my $reader, my $writer) or die "pipe: $!";
	my $pid = fork() // die "fork: $!";
	if ($pid == 0)
	{
		close $reader;
		my ($sent, $seconds) = eval { send_steadily(%options) };
		print {$writer} defined $sent ? "$sent $seconds\n" : "failed: $@\n";
		close $writer;
		POSIX::_exit(0);
	}
	close $writer;
	$senders{$pid} = 1;
	return { pid => $pid, reader => $reader };
}

sub send_steadily
{
	my (%options) = @_;
	my $stop = 0;
	local $SIG{TERM} = sub { $stop = 1 };
	my $socket = udp($options{port}, $options{host});
	my ($line, $rate) = @options{qw(line rate)};
	my $most = $options{bytes} // 1400;
	my $most_lines = $options{lines} // 1_000_000;
	my $start = now_seconds();
	my $pace = $start;
	my $sent = 0;
	my $next = $line->(1);
	while (!$stop)
	{
		my ($text, $count) = ('', 0);
		while ($count < $most_lines && length($text) + length($next) < $most)
		{
			$text .= $next . "\n";
			++$count;
			last if defined $options{count} && $sent + $count >= $options{count};
			$next = $line->($sent + $count + 1);
		}
		$socket->send($text) // ($!{ECONNREFUSED} || die "could not send: $!");
		$sent += $count;
		last if defined $options{count} && $sent >= $options{count};
		next unless defined $rate || defined $options{seconds};
		my $now = now_seconds();
		last if defined $options{seconds} && $now - $start >= $options{seconds};
		next unless defined $rate;
		my $ahead = $pace + $sent / $rate - $now;
		Time::HiRes::sleep($ahead) if $ahead > 0;
		$pace -= $ahead + 0.1 if $ahead < -0.1;
	}
	return ($sent, now_seconds() - $start);
}

# Waits until the sender is done. Returns the number of lines sent, and the seconds it took.
sub wait_sender
{
	my ($sender) = @_;
	my $reader = $sender->{reader};
	my $line = <$reader>;
	waitpid($sender->{pid}, 0);
	delete $senders{ $sender->{pid} };
	die "sender failed: " . ($line // '') unless defined $line && $line =~ /^(\d+) (\S+)$/;
	return wantarray ? ($1, $2) : $1;
}

sub stop_sender
{
	my ($sender) = @_;
	kill 'TERM', $sender->{pid};
	return wait_sender($sender);
}

END
{
	my $status = $?;
	kill 'KILL', keys %senders;
	$? = $status;
}

1;
