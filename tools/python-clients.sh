#!/usr/bin/env bash
# The virtual environment of docs/clients/python, once for each content of its requirements.txt. Prints its Python.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
requirements=$root/docs/clients/python/requirements.txt
venv=$root/.cache/python-clients/$(sha256sum "$requirements" | cut -c1-12)
if [[ ! -e $venv/installed ]]; then
  rm -rf "$root/.cache/python-clients"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  touch "$venv/installed"
fi
echo "$venv/bin/python"
