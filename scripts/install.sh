#!/bin/sh
# Installs Gatepass from the unpacked archive that this script lies in. Needs no network and no package manager.
#   ./install.sh [--prefix DIR] [--program NAME]...    [/usr/local, as another user than root ~/.local] [gatepass]
#   ./install.sh [--prefix DIR] --uninstall
# Every file's digest is checked before the first one is put in place; what is in place is replaced file by file, each at
# once. A list of them stays in PREFIX/share/gatepass/installed: --uninstall removes those that are still what they were.
# It installs programs, manual pages and completions only: `gatepass install` makes a service of them.
set -eu
umask 022

say() { printf '%s\n' "$*"; }

die() {
    printf 'install.sh: error: %s\n' "$1" >&2
    [ -z "${2-}" ] || printf 'install.sh: hint: %s\n' "$2" >&2
    exit "${3:-1}"
}

usage='usage: ./install.sh [--prefix DIR] [--program gatepass|gatepass-master|gatepassctl]... [--uninstall]'
prefix=
programs=
uninstall=false
while [ $# -gt 0 ]; do
    case $1 in
        --prefix)
            [ -n "${2-}" ] || die "$usage" '' 2
            prefix=$2
            shift
            ;;
        --program)
            case ${2-} in
                gatepass | gatepass-master | gatepassctl) programs="$programs $2" ;;
                *) die "$usage" '' 2 ;;
            esac
            shift
            ;;
        --uninstall) uninstall=true ;;
        --help)
            say "$usage"
            exit 0
            ;;
        *) die "$usage" '' 2 ;;
    esac
    shift
done

if [ -z "$prefix" ]; then
    if [ "$(id -u)" = 0 ]; then prefix=/usr/local; else prefix=${HOME:?}/.local; fi
fi
case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
esac
list=$prefix/share/gatepass/installed
command -v sha256sum >/dev/null || die 'sha256sum is missing' 'it is part of coreutils, and of busybox'

# --- out again -----------------------------------------------------------------------------------------------------------

# A service that names one of the programs would start nothing any more.
in_use() {
    grep -lsE "^ExecStart=$prefix/bin/(gatepass|twsinst)" /etc/systemd/system/*.service || true
}

remove_one() {
    if [ "$1" = link ]; then
        [ ! -L "$prefix/$2" ] || rm "$prefix/$2"
    elif [ -f "$prefix/$2" ]; then
        if [ "$(sha256sum <"$prefix/$2")" = "$1  -" ]; then
            rm "$prefix/$2"
        else
            say "kept, for it was changed: $prefix/$2"
        fi
    fi
}

if $uninstall; then
    [ -f "$list" ] || die "nothing is installed in $prefix" 'name another place with --prefix' 4
    used=$(in_use)
    [ -z "$used" ] || die "still used by $used" "run $prefix/bin/gatepass uninstall first" 4
    while read -r digest file; do
        remove_one "$digest" "$file"
    done <"$list"
    rm "$list"
    for directory in share/gatepass share/doc/gatepass share/doc/gatepass-master share/doc/gatepassctl share/doc bin share/man/man1 share/man/man5 share/man/man7 share/man \
        share/bash-completion/completions share/bash-completion share/zsh/site-functions share/zsh \
        share/fish/vendor_completions.d share/fish share; do
        rmdir "$prefix/$directory" 2>/dev/null || true
    done
    say "removed from $prefix"
    exit 0
fi

# --- what is to be installed ---------------------------------------------------------------------------------------------

here=$(cd "$(dirname "$0")" && pwd)
cd "$here"
[ -f SHA256SUMS ] || die "$here/SHA256SUMS is missing" 'unpack the archive again, as a whole' 4
sha256sum --check --quiet --strict SHA256SUMS >&2 || die 'a file is not what it was when the archive was made' \
    'fetch the archive again and compare it with its .sha256 file; nothing was installed' 4
bin/gatepass --version >/dev/null 2>&1 || die 'the program does not run on this machine' \
    "it was built for x86_64 Linux with glibc; this is $(uname -sm)" 4

# Refused before anything is replaced: state of a newer program, a configuration that this one does not accept.
config=/etc/gatepass/config.toml
if [ -r "$config" ] && [ "$(id -u)" = 0 ]; then
    bin/gatepass preflight --config "$config" >&2 || die 'this program cannot go on with what is on this host' \
        'mend what is said above; nothing was installed' 4
fi

# wanted FILE: whether it belongs to one of the programs asked for.
wanted() {
    case $1 in
        */gatepass-master* | */_gatepass-master) owner=gatepass-master ;;
        */gatepassctl* | */_gatepassctl) owner=gatepassctl ;;
        *) owner=gatepass ;;
    esac
    case " ${programs:-gatepass} " in
        *" $owner "*) return 0 ;;
        *) return 1 ;;
    esac
}

# --- in place ------------------------------------------------------------------------------------------------------------

mkdir -p "$prefix/share/gatepass" 2>/dev/null || die "$prefix cannot be written" 'run it as root, or choose a place with --prefix' 4
stage=$prefix/share/gatepass/.new
rm -rf "$stage"
mkdir "$stage" || die "$prefix cannot be written" 'run it as root, or choose a place with --prefix' 4
trap 'rm -rf "$stage"' EXIT
trap 'exit 1' HUP INT TERM

# First everything beside its place, on the same disk: a disk that is full changes nothing.
while read -r digest file; do
    case $file in
        bin/* | share/*) wanted "$file" || continue ;;
        *) continue ;;
    esac
    mkdir -p "$stage/$(dirname "$file")"
    cp "$file" "$stage/$file"
    say "$digest $file" >>"$stage/installed"
done <SHA256SUMS
case " ${programs:-gatepass} " in
    *' gatepass '*)
        for link in twsinst AgentCertificateDownloader.sh; do
            ln -s gatepass "$stage/bin/$link"
            say "link bin/$link" >>"$stage/installed"
        done
        ;;
esac
# What an earlier run has installed stays on the list.
if [ -f "$list" ]; then
    while read -r digest file; do
        grep -q " $file\$" "$stage/installed" || say "$digest $file" >>"$stage/installed"
    done <"$list"
fi

while read -r _ file; do
    [ -e "$stage/$file" ] || [ -L "$stage/$file" ] || continue
    mkdir -p "$prefix/$(dirname "$file")"
    mv -f "$stage/$file" "$prefix/$file"
done <"$stage/installed"
mv -f "$stage/installed" "$list"

say "installed in $prefix:${programs:- gatepass}"
case ":$PATH:" in
    *":$prefix/bin:"*) ;;
    *) say "install.sh: hint: $prefix/bin is not in PATH" >&2 ;;
esac
case " ${programs:-gatepass} " in
    *' gatepass '*) say "next: $prefix/bin/gatepass install --help" ;;
esac
