# shellcheck shell=bash disable=SC2154  # common.sh has $work
# Chroots of Debian releases, for what this machine's release does not have. Read after common.sh, by
# scripts that run as root; they are made below $work, and go with it.
#
# A command in a chroot runs in namespaces of its own for mounts, processes and System V IPC. So nothing
# is ever mounted as seen from outside, and nothing that was started is left when the command ends, however
# it ends: a server lives no longer than the in_chroot that started it. The network is this machine's, unless
# a command asks for one of its own.
#
# Packages come from the mirror that apt uses here, and by the same proxies, keys and certificates.

# chroot_path NAME: where the root directory of a chroot is.
chroot_path() { echo "$work/chroot/$1"; }

# make_chroot NAME RELEASE PACKAGE...: makes a chroot of a release (bookworm, trixie, sid), with these
# packages and a user postgres. Their services are not started. The base system of a release is made once
# in a run of the script; not for use by two processes for the same release at the same time.
make_chroot() {
  local name=$1 release=$2 root base log=$work/chroot/$1.log
  shift 2
  root=$(chroot_path "$name")
  base=$(chroot_path "base-$release")
  mkdir -p "$work/chroot"
  if [[ ! -f $base.made ]]; then
    make_base "$base" "$release" >"$log" 2>&1 ||
      fail "no chroot of Debian $release could be made" "$log"
    touch "$base.made"
  fi
  cp --archive --reflink=auto "$base" "$root" || fail "the base system could not be copied"
  if (($# > 0)); then
    in_chroot "$name" apt-get install --yes --no-install-recommends "$@" </dev/null >"$log" 2>&1 ||
      fail "packages could not be installed in the chroot of Debian $release" "$log"
  fi
  in_chroot "$name" bash -c 'id postgres >/dev/null 2>&1 ||
    useradd --system --user-group --create-home --home-dir /var/lib/postgresql postgres'
}

# in_chroot NAME COMMAND...: runs it there as root, with nothing of the caller's environment, and
# returns its status. As elsewhere, the root directory is that of a file system.
in_chroot() { (exec_in_chroot "$@"); }

# exec_in_chroot [--alone] NAME COMMAND...: the same in place of this shell, for what runs in the background:
# it is killed when the shell that started it ends. With --alone it has a network of its own, of nothing but
# a loopback device that no other chroot's servers use; the chroot has to have package iproute2.
exec_in_chroot() {
  local namespaces=(--mount --pid --ipc) prefix=() root
  if [[ $1 == --alone ]]; then
    namespaces+=(--net)
    # shellcheck disable=SC2016  # expanded by that shell
    prefix=(bash -c 'ip link set lo up && exec "$@"' alone)
    shift
  fi
  root=$(chroot_path "$1")
  shift
  # The shell in between is the process that takes over orphans, and so the one that has to wait for them.
  # shellcheck disable=SC2016  # expanded by that shell
  exec setpriv --pdeathsig KILL unshare "${namespaces[@]}" --fork --kill-child bash -c '
    trap "exit 130" INT
    trap "exit 143" TERM HUP
    mount --bind "$1" "$1" && mount -t proc proc "$1/proc" && mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm" || exit
    chroot "$@"
    exit' in_chroot "$root" env -i HOME=/root USER=root LOGNAME=root LANG=C.UTF-8 TERM=dumb \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
    "${prefix[@]}" "$@"
}

# copy_tree_to_chroot NAME DIRECTORY: the tree without what was built in it, as user postgres's.
copy_tree_to_chroot() {
  copy_tree "$(chroot_path "$1")$2"
  in_chroot "$1" chown -R postgres:postgres "$2"
}

# remove_chroot NAME: for who needs the room; remove_work does it for all.
remove_chroot() { rm -rf --one-file-system -- "$(chroot_path "$1")"; }

# --- the base system ------------------------------------------------------------------------------

# make_base DIRECTORY RELEASE: a base system that has the package lists of the release.
make_base() {
  local root=$1 release=$2
  (install_packages debootstrap debian-archive-keyring gpgv) || return
  if ! bootstrap "$root" "$release"; then
    # A release may be signed by keys that are younger than this machine's: the package that brings them
    # is signed by those it has.
    apt-get update && apt-get install --yes --only-upgrade debian-archive-keyring debootstrap || return
    rm -rf --one-file-system -- "$root"
    bootstrap "$root" "$release" || return
  fi
  carry_over_network "$root" && carry_over_apt "$root" || return
  # What a machine's systemd makes.
  ln -sf ../proc/self/mounts "$root/etc/mtab"
  # No service starts, and nobody waits for the disk on behalf of what is thrown away.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"
  in_chroot "${root##*/}" bash -ec 'update-ca-certificates; apt-get update' </dev/null
}

# bootstrap DIRECTORY RELEASE: debootstrap, which checks what the release is signed with.
bootstrap() {
  local mirror http https
  mirror=$(debian_mirror) || return
  http=${http_proxy:-$(apt_option Acquire::http::Proxy)}
  https=${https_proxy:-$(apt_option Acquire::https::Proxy)}
  if [[ -z $https || $https == DIRECT ]]; then https=$http; fi
  # It mounts things on its own.
  env ${http:+"http_proxy=${http/#DIRECT/}"} ${https:+"https_proxy=${https/#DIRECT/}"} \
    unshare --mount --pid --ipc --fork --kill-child --mount-proc \
    debootstrap --variant=minbase --include=ca-certificates,debian-archive-keyring \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$2" "$1" "$mirror" </dev/null
}

# debian_mirror: the mirror from which this machine has its release.
debian_mirror() {
  local uri
  uri=$(main_archive)
  if [[ -z $uri ]]; then
    apt-get update >&2 || return
    uri=$(main_archive)
  fi
  # Images for clouds have a file that names mirrors.
  if [[ $uri == mirror+file:* ]]; then
    uri=${uri#mirror+file:}
    uri=$(awk '$1 ~ /^https?:/ { print $1; exit }' "${uri%/}")
  fi
  if [[ $uri != http://* && $uri != https://* ]]; then
    echo "no mirror of Debian is among the sources of apt" >&2
    return 1
  fi
  echo "$uri"
}

# As far as apt knows what its sources are, which it does after an update.
main_archive() {
  # shellcheck disable=SC2016  # apt's, not the shell's
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' \
    'Label: Debian' 'Component: main' | head -n 1
}

# apt_option NAME: its value for apt on this machine; nothing where it has none.
apt_option() {
  local value=
  eval "$(apt-config shell value "$1")"
  echo "$value"
}

# How hosts are found; certificates that were added to Debian's.
carry_over_network() {
  local root=$1
  cp --dereference /etc/hosts /etc/resolv.conf "$root/etc/" || return
  if [[ -d /usr/local/share/ca-certificates ]]; then
    mkdir -p "$root/usr/local/share/ca-certificates"
    cp --recursive --dereference /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
  fi
}

# Options on how to fetch packages, the files that they name, and passwords.
carry_over_apt() {
  local root=$1 options=$1/etc/apt/apt.conf.d/90fetch file name value
  apt-config dump --no-empty |
    grep -Ei '^Acquire::(https?|retries|forceipv[46]|check-valid-until|check-date|max-validtime)\b' >"$options"
  for name in http https; do
    local variable=${name}_proxy
    value=${!variable-}
    if [[ -n $value ]]; then echo "Acquire::$name::Proxy \"$value\";" >>"$options"; fi
  done
  sed -En 's|^.*::(CAInfo\|CAPath\|SslCert\|SslKey\|CrlFile) "(/.*)";$|\2|Ip' "$options" |
    while IFS= read -r file; do
      mkdir -p "$root/${file%/*}"
      cp --recursive --dereference "$file" "$root/${file%/*}/"
    done
  for file in /etc/apt/auth.conf /etc/apt/auth.conf.d; do
    if [[ -e $file ]]; then cp --archive --no-target-directory "$file" "$root$file"; fi
  done
}
