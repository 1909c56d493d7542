# A server of the TAP tests. It is asked by connections of the test itself, and made of a template: to start psql for
# each question, and initdb for each server, took most of the time of the tests.
package InfluxNode;

use strict;
use warnings;

use DBI;
use Digest::MD5   qw(md5_hex);
use Fcntl       qw(:flock);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

# Nothing is imported that would hide a method of the class below.
use PostgreSQL::Test::Cluster ();
use PostgreSQL::Test::Utils   ();
use Test::More                ();

our @ISA = ('PostgreSQL::Test::Cluster');

# As PostgreSQL::Test::Cluster->new, init and start.
sub new
{
	my ($class, $name, %params) = @_;
	return bless PostgreSQL::Test::Cluster->new($name, %params), $class;
}

# --- initdb ---------------------------------------------------------------------------------------

# What init() has run; initdb is done once for all tests that ask the same of it.
my $system_or_bail = \&PostgreSQL::Test::Utils::system_or_bail;

sub init
{
	my ($self, %params) = @_;
	no warnings 'redefine';
	local *PostgreSQL::Test::Utils::system_or_bail = sub {
		return $_[0] eq 'initdb' ? copy_template($self->data_dir, @_) : $system_or_bail->(@_);
	};
	return $self->SUPER::init(%params);
}

# Makes $data_dir as this call of initdb would.
sub copy_template
{
	my ($data_dir, @command) = @_;
	my @options = map { $_ eq $data_dir ? 'template' : $_ } @command;
	my $template = "$PostgreSQL::Test::Utils::tmp_check/template_" . md5_hex(join ' ', @options);
	open(my $lock, '>', "$template.lock") or die "could not write $template.lock: $!";
	flock($lock, LOCK_EX) or die "could not lock $template.lock: $!";
	if (!-e "$template.made")
	{
		$system_or_bail->(map { $_ eq $data_dir ? $template : $_ } @command);
		PostgreSQL::Test::Utils::append_to_file("$template.made", '');
	}
	close $lock;
	return $system_or_bail->('cp', '-RPp', $template, $data_dir);
}

# --- SQL ------------------------------------------------------------------------------------------

# Whether psql would give the text to the server as it is, a statement at a time.
sub is_plain
{
	my ($database, $sql) = @_;
	return $database =~ /^\w+$/ && $sql !~ /[^\x01-\x7f]|\\|(?<!:):['"A-Za-z_]|\bCOPY\b|\bBEGIN\s+ATOMIC\b/i;
}

# The statements of a plain text, as psql divides it.
sub statements
{
	my ($sql) = @_;
	my @statements = ('');
	my $piece = qr/'(?:[^']|'')*' | "(?:[^"]|"")*" | (\$(?:[A-Za-z_]\w*)?\$).*?\g{-1} | --[^\n]* | \/\*.*?\*\/ | ; | ./sx;
	while ($sql =~ /\G$piece/g)
	{
		if ($& eq ';') { push @statements, ''; }
		elsif ($& !~ /^(?:--|\/\*)/) { $statements[-1] .= $&; }
	}
	return grep { /\S/ } @statements;
}

# A connection, or nothing; then $@ says why.
sub dial
{
	my ($self, $database) = @_;
	my $connstr = $self->connstr($database);
	return eval {
		DBI->connect("dbi:Pg:$connstr fallback_application_name=psql",
			undef, undef, { RaiseError => 1, PrintError => 0, PrintWarn => 0, pg_enable_utf8 => 0, pg_bool_tf => 1, pg_expand_array => 0 });
	};
}

# The answers to all statements, in the form of psql -At. Dies with what the server raises.
sub answer
{
	my ($connection, $sql) = @_;
	my $text = join "\n", map { answer_to_one($connection, $_) } statements($sql);
	chomp $text;
	return $text;
}

# Nothing where there are no rows.
sub answer_to_one
{
	my ($connection, $sql) = @_;
	my $statement = $connection->prepare($sql, { pg_direct => 1, pg_server_prepare => 0 });
	$statement->execute;
	return unless $statement->{NUM_OF_FIELDS};
	my @is_binary = map { $_ eq 'bytea' } @{ $statement->{pg_type} };
	my @lines;
	while (my $row = $statement->fetchrow_arrayref)
	{
		my @values = map { $_ // '' } @$row;
		foreach my $i (grep { $is_binary[$_] && defined $row->[$_] } 0 .. $#values)
		{
			$values[$i] = '\\x' . unpack('H*', $values[$i]);
		}
		push @lines, join '|', @values;
	}
	return @lines;
}

# As that of PostgreSQL::Test::Cluster.
sub safe_psql
{
	my ($self, $database, $sql, %params) = @_;
	return $self->SUPER::safe_psql($database, $sql, %params) if %params || !is_plain($database, $sql);
	my $connection = $self->dial($database) // die "connection error: '$@'\nwhile running '$sql'";
	my $result = eval { answer($connection, $sql) };
	my $error = $connection->errstr // $@;
	$connection->disconnect;
	die "error running SQL: 'psql:<stdin>:1: $error'\nwhile running '$sql'" unless defined $result;
	return $result;
}

# As that of PostgreSQL::Test::Cluster. A server that is down, or an error, is asked again.
sub poll_query_until
{
	my ($self, $database, $query, $expected) = @_;
	return $self->SUPER::poll_query_until($database, $query, $expected) unless is_plain($database, $query);
	$expected //= 't';
	my $deadline = clock_gettime(CLOCK_MONOTONIC) + $PostgreSQL::Test::Utils::timeout_default;
	my ($connection, $result, $error);
	for (;;)
	{
		($result, $error) = (undef, undef);
		$connection //= $self->dial($database);
		$result = eval { answer($connection, $query) } if defined $connection;
		$error = $@ unless defined $result;
		last if defined $result && $result eq $expected;
		# Of a database that somebody may want to drop there is no connection in between.
		if (defined $connection && (!defined $result || $database ne 'postgres'))
		{
			$connection->disconnect;
			undef $connection;
		}
		if (clock_gettime(CLOCK_MONOTONIC) > $deadline)
		{
			Test::More::diag("poll_query_until timed out executing this query:\n$query\nexpecting this output:\n$expected\n"
			  . "last actual query output:\n" . ($result // '') . "\nwith this error:\n" . ($error // ''));
			$connection->disconnect if defined $connection;
			return 0;
		}
		Time::HiRes::sleep(0.05);
	}
	$connection->disconnect;
	return 1;
}

1;
