#!/usr/bin/env bash
# Pins what base.lock names at the versions that Debian 12 has now. Needs apt of Debian 12, after `apt-get update`.
set -euo pipefail

lock=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/base.lock
mapfile -t packages < <(sed -n 's#^[^ ]*/\([^/_ ]*\)_.*#\1#p' "$lock")
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
grep '^#' "$lock" >"$fresh"
apt-get download --print-uris "${packages[@]}" |
  sed -E "s#'https?://[^/]*/([^']*)' .*SHA256:([0-9a-f]{64})#\1 \2#; s/%2b/+/g; s/%7e/~/g; s/%3a/:/g" |
  LC_ALL=C sort >>"$fresh"
install -m 0644 "$fresh" "$lock"
