#!/usr/bin/env bash
# Makes sure that a Chromium is there for the report's browser test: apt installs it where that is permitted.
set -euo pipefail

for candidate in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
  if [[ -n $candidate && -x $candidate ]]; then exit 0; fi
done
if [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null; then
  echo "installing Chromium for the report's browser test" >&2
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
else
  echo "tools/chromium.sh: install Chromium (Debian: apt-get install chromium) or set CHROMIUM to its path" >&2
  exit 1
fi
