#!/usr/bin/env bash
# Builds the pinned Prometheus and promtool that the tests of metrics, rules and dashboards run, once, into
# .cache/tools/bin: without web pages and without service discoveries, which no test needs. Needs Go; takes about
# 6 minutes of one core. `go.mod` of tools/prometheus names the version.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
module=$root/tools/prometheus
bin=$root/.cache/tools/bin
go=$(command -v go || echo /usr/local/go/bin/go)
cpus=${PROMETHEUS_BUILD_CPUS:-$(nproc)}
package=github.com/prometheus/prometheus
version=$(sed -n "s#^\t*$package v0\.\([0-9.]*\).*#\1#p" "$module/go.mod" | head -1)
key=$(cat "$module/go.mod" "$module/go.sum" | sha256sum | cut -c1-16)

if [[ -x $bin/prometheus && -x $bin/promtool && $(cat "$bin/prometheus.version" 2>/dev/null) == "$key" ]]; then
  exit 0
fi
if [[ ! -x $go ]]; then
  echo "tools/prometheus.sh: Go is needed to build Prometheus 3.${version#3}; install it from your distribution or go.dev" >&2
  exit 1
fi
mkdir -p "$bin"
echo "building Prometheus 3.${version#3} (about 6 minutes of one core, once)" >&2
cd "$module"
GOMAXPROCS=$cpus CGO_ENABLED=0 "$go" build -p "$cpus" -trimpath -tags remove_all_sd \
  -ldflags "-s -w -X github.com/prometheus/common/version.Version=3.${version#3}" \
  -o "$bin/" "$package/cmd/prometheus" "$package/cmd/promtool"
echo "$key" >"$bin/prometheus.version"
