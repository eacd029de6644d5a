#!/usr/bin/env bash
# Builds a pinned Go program that tests run against, once for each version, into .cache/tools/bin: NAME PACKAGE VERSION.
# Nothing of it is shipped. Needs Go.
set -euo pipefail

name=$1 package=$2 version=$3
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/.cache/tools/bin
go=$(command -v go || echo /usr/local/go/bin/go)

if [[ -x $bin/$name && $(cat "$bin/$name.version" 2>/dev/null) == "$version" ]]; then
  exit 0
fi
if [[ ! -x $go ]]; then
  echo "tools/go-tool.sh: Go is needed to build $name $version; install it from your distribution or go.dev" >&2
  exit 1
fi
mkdir -p "$bin"
echo "building $name $version (once)" >&2
GOBIN=$bin "$go" install "$package@$version"
echo "$version" >"$bin/$name.version"
