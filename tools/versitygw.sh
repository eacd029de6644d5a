#!/usr/bin/env bash
# Builds the pinned Versity S3 Gateway, the second S3 server that the object-store contract runs against, once, into
# .cache/tools/bin. It shares no code with MinIO (Apache-2.0, a POSIX folder behind it, signatures checked). A test tool
# only: nothing of it is shipped. Needs Go; takes about 80 seconds of one core.
set -euo pipefail

version=v1.8.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.cache/tools/bin
go=$(command -v go || echo /usr/local/go/bin/go)

if [[ -x $bin/versitygw && $(cat "$bin/versitygw.version" 2>/dev/null) == "$version" ]]; then
  exit 0
fi
if [[ ! -x $go ]]; then
  echo "tools/versitygw.sh: Go is needed to build versitygw $version; install it from your distribution or go.dev" >&2
  exit 1
fi
mkdir -p "$bin"
echo "building versitygw $version (about 80 seconds of one core, once)" >&2
GOBIN=$bin "$go" install "github.com/versity/versitygw/cmd/versitygw@$version"
echo "$version" >"$bin/versitygw.version"
