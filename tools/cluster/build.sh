#!/usr/bin/env bash
# What `make e2e-cluster` starts, once, into .cache/cluster: Kubernetes with etcd as one binary (hyperkube/), KWOK with
# its stages, which plays nodes and pods, and the definitions of the custom resources that the chart makes. Needs Go;
# 25 minutes of one core, or CLUSTER_BUILD_CPUS=2.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache/cluster
go=$(command -v go || echo /usr/local/go/bin/go)
cpus=${CLUSTER_BUILD_CPUS:-1}
kwok=v0.8.0
definitions="
github.com/cert-manager/cert-manager@v1.19.1 deploy/crds
github.com/prometheus-operator/prometheus-operator@v0.85.0 example/prometheus-operator-crd
github.com/kedacore/keda/v2@v2.18.1 config/crd/bases"
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

node_services() {
  (cd "$here/services" && "$go" build -p "$cpus" -trimpath -ldflags "-s -w" -o "$cache/bin/services")
}

fake_nodes() {
  GOBIN=$cache/bin "$go" install -p "$cpus" -trimpath -ldflags "-s -w" "sigs.k8s.io/kwok/cmd/kwok@$kwok"
  rm -rf "$cache/kwok-stages"
  cp -r "$("$go" env GOMODCACHE)/sigs.k8s.io/kwok@$kwok/kustomize/stage" "$cache/kwok-stages"
  chmod -R u+w "$cache/kwok-stages"
}

# Go modules carry them, checked by their sums; only the YAML files are taken.
custom_resources() {
  rm -rf "$cache/crds"
  mkdir -p "$cache/crds"
  while read -r module folder; do
    [[ -n $module ]] || continue
    local dir
    dir=$(cd /tmp && "$go" mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
    install -m 0644 "$dir/$folder"/*.yaml "$cache/crds/"
  done <<<"$definitions"
  rm -f "$cache/crds/kustomization.yaml"
}

if [[ $(cat "$cache/crds.version" 2>/dev/null) != "$definitions" ]]; then
  custom_resources
  echo "$definitions" >"$cache/crds.version"
fi
build kwok "$kwok" fake_nodes
build hyperkube "$kubernetes $(cat "$here"/hyperkube/{main.go,go.mod,go.sum} | sha256sum | cut -c1-16)" kube
if [[ ${1:-} == real-node ]]; then
  build services "$(cat "$here"/services/{main.go,go.mod,go.sum} | sha256sum | cut -c1-16)" node_services
fi
