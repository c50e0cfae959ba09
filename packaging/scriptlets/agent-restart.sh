# shellcheck shell=sh
# restart_after_upgrade HINT COMMAND...: the program that runs is replaced only when the new one can read what is there.
restart_after_upgrade() {
    [ -d /run/systemd/system ] || return 0
    systemctl daemon-reload
    systemctl --quiet is-active gatepass.service || return 0
    if ! gatepass preflight --config /etc/gatepass/config.toml >&2; then
        cat >&2 <<END
gatepass: error: the service was not restarted: it goes on with the program of the former version
gatepass: hint: mend what is said above, then run: $1
END
        return 1
    fi
    shift
    "$@"
}
