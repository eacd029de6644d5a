#!/usr/bin/env bash
# Builds the pinned MinIO server that the object-store tests run against, once, into .cache/tools/bin.
# A test tool only (AGPL-3.0): nothing of it is shipped. Needs Go; takes about 7 minutes of one core.
set -euo pipefail

version=v0.0.0-20260212201848-7aac2a2c5b7c
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.cache/tools/bin
go=$(command -v go || echo /usr/local/go/bin/go)

if [[ -x $bin/minio && $(cat "$bin/minio.version" 2>/dev/null) == "$version" ]]; then
  exit 0
fi
if [[ ! -x $go ]]; then
  echo "tools/minio.sh: Go is needed to build MinIO $version; install it from your distribution or go.dev" >&2
  exit 1
fi
mkdir -p "$bin"
echo "building MinIO $version (about 7 minutes of one core, once)" >&2
cpus=${MINIO_BUILD_CPUS:-$(nproc)}
GOBIN=$bin GOMAXPROCS=$cpus "$go" install -p "$cpus" "github.com/minio/minio@$version"
echo "$version" >"$bin/minio.version"
