# shellcheck shell=sh
# What the scripts of both kinds of packages do for the agent. scripts/package puts it into them.

# Where the identity lives: the configuration may name another place.
state_dir() {
    named=$(sed -n '/^\[/q; s/^state_dir[[:space:]]*=[[:space:]]*["'\'']\([^"'\'']*\).*/\1/p' /etc/gatepass/config.toml 2>/dev/null || true)
    printf '%s\n' "${named:-/var/lib/gatepass}"
}

# What a newer program has written is not given to an older one.
refuse_newer_state() {
    state=$(state_dir)
    [ -e "$state/format" ] || return 0
    found=$(cat "$state/format")
    reads=@STATE_FORMAT@
    if ! [ "$found" -le "$reads" ] 2>/dev/null; then
        cat >&2 <<END
gatepass: error: the state in $state has format ${found:-unknown}, the program in this package reads up to $reads
gatepass: hint: install the version that wrote it, or a newer one; nothing was changed
END
        return 1
    fi
}
