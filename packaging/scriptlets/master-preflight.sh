# shellcheck shell=sh
# What the scripts of both kinds of packages do for the master. scripts/package puts it into them.

state=/var/lib/gatepass-master

# With the credentials that the service was given, while it runs.
preflight() {
    CREDENTIALS_DIRECTORY=/run/credentials/gatepass-master.service gatepass-master preflight --dir "$state" "$@"
}
