#!/bin/sh
# AgentCertificateDownloader from the source tree: the program that is built, or the one that is installed. Whoever traces this script with
# `sh -x` does not see the API key in its arguments.
{ set +x; } 2>/dev/null
tool=AgentCertificateDownloader
here=$(dirname "$0")
for program in "$here/gatepass" "${CARGO_TARGET_DIR:-$here/../target}/release/gatepass" \
    "${CARGO_TARGET_DIR:-$here/../target}/debug/gatepass" "$(command -v gatepass)"; do
    [ -x "$program" ] && exec "$program" "$tool" "$@"
done
echo "${0##*/}: error: there is no gatepass: build it with \`cargo build --release\`, or install it" >&2
exit 1
