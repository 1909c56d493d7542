# shellcheck shell=bash
# What scripts/demo, scripts/check and test/bench/run have in common: packages, a copy of the tree, and a
# throwaway cluster. The server refuses to run as root, and its user may not be able to read the clone: so
# everything is built and run by user postgres in a temporary directory of its own.

# The server's version: Debian 12's, unless the script that reads this file, or its caller, has set another one.
readonly pg_major=${pg_major:-15}
readonly pg_bin=/usr/lib/postgresql/$pg_major/bin

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly tree

# Packages that a build needs, and a server to try it on.
# shellcheck disable=SC2034  # for the scripts that read this file
readonly build_packages=("postgresql-$pg_major" "postgresql-server-dev-$pg_major" g++ make netbase)

# What the TAP tests are made with, and programs that they send with.
# shellcheck disable=SC2034
readonly tap_packages=(perl libipc-run-perl libdbd-pg-perl)
# shellcheck disable=SC2034
readonly sender_packages=(collectd-core netcat-openbsd socat python3-influxdb
  libinfluxdb-lineprotocol-perl)

# What the recipes of docs/recipes.md need beside that, on Debian 12: compilers, and the libraries of what is
# unpacked. rsyslog and syslog-ng exclude each other, and would replace the system's log if installed.
# shellcheck disable=SC2034
readonly recipe_packages=(golang-go nodejs libcap2 libestr0 libfastjson4 libglib2.0-0 libivykis0 libjson-c5
  liblognorm5 libnet1 libpcre3 libwrap0)
# shellcheck disable=SC2034
readonly unpacked_packages=(rsyslog syslog-ng-core)

work=          # the temporary directory
server_log=    # of the throwaway cluster, once there is one

# fail MESSAGE [FILE]: ends the script; shows the end of a log, and of the server's.
fail() {
  local message=$1 log=${2-} shown
  printf '\n%s: %s\n' "${0##*/}" "$message" >&2
  for shown in "$log" "$server_log"; do
    if [[ -n $shown && -s $shown ]]; then
      printf -- '--- end of %s\n' "$shown" >&2
      tail -n 40 -- "$shown" >&2
    fi
  done
  exit 1
}

# become_root SCRIPT ARGUMENT...: starts the script again by sudo where this is not root. The
# variables named in `keep` go with it.
become_root() {
  local script=$1 name given=()
  shift
  if ((EUID == 0)); then return 0; fi
  command -v sudo >/dev/null || fail "this has to run as root, or as a user with sudo"
  # shellcheck disable=SC2154  # set by the scripts
  for name in "${keep[@]}"; do
    if [[ -n ${!name-} ]]; then given+=("$name=${!name}"); fi
  done
  exec sudo -- env "${given[@]}" bash "$script" "$@"
}

is_installed() {
  local state
  state=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) && [[ $state == installed ]]
}

# install_packages PACKAGE...: installs those that are missing, and names them.
install_packages() {
  local log package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo "All packages needed are installed."
    return
  fi
  command -v apt-get >/dev/null || fail "there is no apt-get here: this is for Debian 12"
  echo "Installing ${missing[*]}"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends
    -o DPkg::Lock::Timeout=300 "${missing[@]}")
  log=$(mktemp)
  # Package lists may be missing, or name files that are not there any more.
  "${install[@]}" </dev/null >"$log" 2>&1 ||
    { apt-get update </dev/null && "${install[@]}" </dev/null; } >"$log" 2>&1 ||
    fail "packages could not be installed" "$log"
  rm -f "$log"
}

# unpack_packages DIRECTORY PACKAGE...: puts their files there, and installs nothing.
unpack_packages() {
  local directory=$1 download package
  shift
  download=$(mktemp -d)
  (
    cd "$download" || exit
    apt-get download "$@" </dev/null >log 2>&1 ||
      { apt-get update </dev/null && apt-get download "$@" </dev/null; } >log 2>&1
  ) || fail "packages could not be downloaded" "$download/log"
  mkdir -p "$directory"
  for package in "$download"/*.deb; do dpkg-deb --extract "$package" "$directory"; done
  rm -rf -- "$download"
}

# make_work NAME: makes the temporary directory, which user postgres owns.
make_work() {
  # Not below TMPDIR: that may be a directory which only its user can enter.
  work=$(mktemp -d "/tmp/influx-$1.XXXXXX")
  chown postgres:postgres "$work"
  chmod 755 "$work"
  cd "$work" || exit
  use_server "$pg_bin"
}

# end_by FUNCTION: runs it when the script ends, in whatever way; the exit status stays.
end_by() {
  # shellcheck disable=SC2064  # the name is meant
  trap "leave_by $1" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

leave_by() {
  local status=$?
  trap - EXIT INT TERM HUP
  "$1"
  exit "$status"
}

# remove_work: removes the temporary directory, if there is one, and ends what runs in it.
remove_work() {
  if [[ -z $work ]]; then return 0; fi
  stop_cluster
  cd /
  # Lazily: the server of a test that was interrupted may still be at work there.
  if mountpoint --quiet "$work/small_disk"; then umount --lazy "$work/small_disk"; fi
  rm -rf -- "$work"
}

# mount_small_disk: mounts $work/small_disk, which user postgres may fill; for test/tap/018_disk_full.pl.
mount_small_disk() {
  local owner group
  owner=$(id --user postgres)
  group=$(id --group postgres)
  mkdir "$work/small_disk"
  mount -t tmpfs -o "size=32m,mode=700,uid=$owner,gid=$group" influx_small_disk "$work/small_disk" \
    2>"$work/mount.log" ||
    fail "no tmpfs can be mounted here; the tests of a full disk need one" "$work/mount.log"
}

# use_server DIRECTORY: as_postgres finds the programs of the server there.
use_server() {
  postgres_command=(setpriv --reuid=postgres --regid=postgres --init-groups
    env -i HOME="$work" USER=postgres LOGNAME=postgres LANG=C.UTF-8 TERM="${TERM-dumb}"
    PATH="$1:/usr/sbin:/usr/bin:/sbin:/bin" PG_CONFIG="$1/pg_config"
    PGHOST="$work" PSQLRC=/dev/null)
}

# as_postgres COMMAND...: runs it as user postgres, with nothing of the caller's environment. The array
# is for commands in the background: their pid is then that of the command itself.
postgres_command=()
as_postgres() { "${postgres_command[@]}" "$@"; }

# copy_tree DIRECTORY: copies the tree without what was built in it.
copy_tree() {
  mkdir -p "$1"
  tar -C "$tree" --exclude=./.git --exclude=./build --exclude=./results --exclude=./tmp_check \
    --exclude='*.o' --exclude='*.d' --exclude='*.so' -cf - . | tar -C "$1" -xf - --no-same-owner
  chown -R postgres:postgres "$1"
}

# start_cluster: makes and starts a cluster that listens on a socket in $work only, where user postgres
# alone can connect.
start_cluster() {
  server_log=$work/server.log
  as_postgres initdb --pgdata="$work/data" --username=postgres --auth=peer --encoding=UTF8 \
    --locale=C.UTF-8 --no-sync >"$work/initdb.log" 2>&1 ||
    fail "initdb failed" "$work/initdb.log"
  printf '%s\n' "listen_addresses = ''" "unix_socket_directories = '$work'" 'fsync = off' \
    >>"$work/data/postgresql.conf"
  as_postgres pg_ctl start --silent --wait --timeout=60 --pgdata="$work/data" --log="$server_log" \
    >"$work/start.log" 2>&1 || fail "the cluster did not start" "$work/start.log"
}

# stop_cluster: stops it, if there is one.
stop_cluster() {
  if [[ ! -f $work/data/postmaster.pid ]]; then return 0; fi
  as_postgres pg_ctl stop --silent --mode=fast --timeout=20 --pgdata="$work/data" >/dev/null 2>&1 ||
    as_postgres pg_ctl stop --silent --mode=immediate --pgdata="$work/data" >/dev/null 2>&1 || true
}

# poll SECONDS COMMAND...: runs the command until it succeeds. Fails where it has not by then.
poll() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# free_udp_port FIRST: the first UDP port from FIRST on that nobody uses.
free_udp_port() {
  local port=$1 used
  used=$(cat /proc/net/udp /proc/net/udp6 2>/dev/null | awk '{ sub(/.*:/, "", $2); print $2 }') || true
  while grep -qx "$(printf '%04X' "$port")" <<<"$used"; do port=$((port + 1)); done
  echo "$port"
}
