#!/usr/bin/env bash
# Builds what `make e2e-cluster` starts, once, into .cache/cluster: Kubernetes with etcd as one binary
# (hyperkube/), and KWOK with its stages, which plays nodes and pods. Needs Go; 25 minutes of one core.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/cluster
go=$(command -v go || echo /usr/local/go/bin/go)
cpus=${CLUSTER_BUILD_CPUS:-1}
kwok=v0.8.0
kubernetes=$(sed -n 's#^\tk8s.io/kubernetes v##p' "$here/hyperkube/go.mod")

if [[ ! -x $go ]]; then
  echo "tools/cluster/build.sh: Go is needed to build Kubernetes $kubernetes; install it from your distribution or go.dev" >&2
  exit 1
fi
mkdir -p "$cache/bin"

# build NAME KEY COMMAND...: runs the command unless .cache/cluster/bin/NAME was built from the same key.
build() {
  local name=$1 key=$2
  shift 2
  if [[ -x $cache/bin/$name && $(cat "$cache/bin/$name.version" 2>/dev/null) == "$key" ]]; then
    return
  fi
  echo "building $name $key" >&2
  GOMAXPROCS=$cpus CGO_ENABLED=0 "$@"
  echo "$key" >"$cache/bin/$name.version"
}

kube() {
  local version=k8s.io/component-base/version
  (cd "$here/hyperkube" && "$go" build -p "$cpus" -trimpath -o "$cache/bin/hyperkube" -ldflags \
    "-s -w -X $version.gitVersion=v$kubernetes -X $version.gitMajor=${kubernetes%%.*} -X $version.gitMinor=$(cut -d. -f2 <<<"$kubernetes")")
}

fake_nodes() {
  GOBIN=$cache/bin "$go" install -p "$cpus" -trimpath -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@$kwok"
  rm -rf "$cache/kwok-stages"
  cp -r "$("$go" env GOMODCACHE)/sigs.k8s.io/kwok@$kwok/kustomize/stage" "$cache/kwok-stages"
  chmod -R u+w "$cache/kwok-stages"
}

build kwok "$kwok" fake_nodes
build hyperkube "$kubernetes $(cat "$here"/hyperkube/{main.go,go.mod,go.sum} | sha256sum | cut -c1-16)" kube
