# shellcheck shell=sh
# shellcheck disable=SC2154 # the state directory is named in master-preflight.sh
# The number of the schema: the program that is installed knows. If it does not say, the file's header does.
schema_found() {
    said=$(preflight --json 2>/dev/null | sed -n 's/.*"schema": *\([0-9][0-9]*\).*/\1/p') || true
    if [ -z "$said" ] && [ -s "$state/gatepass.db" ]; then
        # shellcheck disable=SC2046 # four numbers, the highest one first
        set -- $(od -An -j60 -N4 -tu1 "$state/gatepass.db")
        said=$(((($1 * 256 + $2) * 256 + $3) * 256 + $4))
    fi
    printf '%s\n' "$said"
}

# A database that a newer program has changed is not given to an older one.
refuse_newer_state() {
    [ -e "$state/master.toml" ] || return 0
    found=$(schema_found)
    knows=@SCHEMA@
    if [ "${found:-0}" -gt "$knows" ]; then
        cat >&2 <<END
gatepass-master: error: the database has schema $found, the program in this package knows up to $knows
gatepass-master: hint: install the version that made it, or a newer one; nothing was changed
END
        return 1
    fi
}
