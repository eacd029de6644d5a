#!/usr/bin/env bash
# What the real node runs, as archives in .cache/images: the project's image (images/build.sh), MinIO, the cluster's own
# services (../build.sh real-node) and the pods' pause program. Needs buildah, gcc and busybox-static.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
cache=$root/.cache/images
buildah() { command buildah --root "$cache/storage" --runroot "$cache/run" "$@"; }
archive() { # IMAGE FILE
  [[ $(cat "$2.of" 2>/dev/null) == "$1" ]] && return
  rm -f "$2"
  buildah push --quiet "$1" "docker-archive:$2:$1"
  echo "$1" >"$2.of"
}

pause=localhost/medformer/pause:$(sha256sum <"$here/pause.c" | cut -c1-12)
if ! buildah inspect --type image "$pause" >/dev/null 2>&1; then
  built=$(mktemp -d)
  trap 'rm -rf "$built"' EXIT
  gcc -O2 -static -o "$built/pause" "$here/pause.c"
  container=$(buildah from scratch)
  buildah copy --quiet "$container" "$built/pause" /pause >/dev/null
  buildah config --entrypoint '["/pause"]' "$container"
  buildah commit --quiet --rm "$container" "$pause" >/dev/null
fi
services=localhost/medformer/cluster-services:$(cat "$root/.cache/cluster/bin/services.version")
if ! buildah inspect --type image "$services" >/dev/null 2>&1; then
  container=$(buildah from scratch)
  buildah copy --quiet --chmod 0755 "$container" "$root/.cache/cluster/bin/services" /services >/dev/null
  buildah config --entrypoint '["/services"]' "$container"
  buildah commit --quiet --rm "$container" "$services" >/dev/null
fi
# The bundled object store: the server that tests use, under the name that the chart's values give it here.
base=$(cat "$cache/base-image")
minio=localhost/medformer/minio:$(cat "$root/.cache/tools/bin/minio.version")-${base##*:}
if ! buildah inspect --type image "$minio" >/dev/null 2>&1; then
  container=$(buildah from --pull-never "$base")
  buildah copy --quiet --chmod 0755 "$container" "$root/.cache/tools/bin/minio" /bin/minio >/dev/null
  buildah copy --quiet "$container" /bin/busybox /bin/sh >/dev/null
  buildah copy --quiet "$container" /bin/busybox /bin/mkdir >/dev/null
  buildah config --env PATH=/bin "$container"
  buildah commit --quiet --rm "$container" "$minio" >/dev/null
fi
archive "$minio" "$cache/minio.tar"
archive "$pause" "$cache/pause.tar"
archive "$services" "$cache/cluster-services.tar"
archive "$(cat "$cache/image-cpu")" "$cache/image-cpu.tar"
