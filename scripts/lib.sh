# shellcheck shell=bash
# What the scripts share. To be sourced; goes to the repository's top.

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$top" || exit 1
# shellcheck disable=SC2034 # for those who source this
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

say() { printf '%s\n' "$*"; }

die() {
    printf '%s: error: %s\n' "${0##*/}" "$1" >&2
    exit "${2:-1}"
}

# Whether what is wanted from a Debian package is there; some of it is no command.
there() {
    case $1 in
        ansible-core) command -v ansible-playbook >/dev/null ;;
        dpkg-dev) command -v dpkg-scanpackages >/dev/null ;;
        iproute2) command -v ip >/dev/null ;;
        binutils) command -v strip >/dev/null ;;
        debhelper) command -v dh >/dev/null ;;
        libc6-dev) [ -e /usr/include/stdio.h ] ;;
        openssh-client) command -v ssh >/dev/null ;;
        postgresql) compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null ;;
        nftables) command -v nft >/dev/null ;;
        procps) command -v pgrep >/dev/null ;;
        python3-aiosmtpd) /usr/bin/python3 -c 'import aiosmtpd' 2>/dev/null ;;
        python3-cryptography) /usr/bin/python3 -c 'import cryptography' 2>/dev/null ;;
        python3-jwt) /usr/bin/python3 -c 'import jwt' 2>/dev/null ;;
        rpm) command -v rpmbuild >/dev/null ;;
        systemd-container) command -v systemd-nspawn >/dev/null ;;
        systemd) command -v systemd-analyze >/dev/null ;;
        util-linux) command -v unshare >/dev/null ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

# need PACKAGE...: as root on Debian installs those that are missing, elsewhere names them all and gives up.
need() {
    local package missing=()
    for package in "$@"; do
        there "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        die "missing: ${missing[*]} (Debian's names); as root on Debian this script installs them" 2
    fi
    say "installing ${missing[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

need_rust() {
    command -v cargo >/dev/null || die "missing: a Rust toolchain (https://rustup.rs); rust-toolchain.toml names the version" 2
}
