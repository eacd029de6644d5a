#!/usr/bin/env bash
# Refuses a change of proto/ that breaks clients of what is on main. Says so when there is nothing to compare with.
set -euo pipefail

for ref in origin/main main; do
  if git cat-file -e "$ref:proto/buf.yaml" 2>/dev/null; then
    against=$(mktemp -d)
    trap 'rm -rf "$against"' EXIT
    git archive "$ref" proto | tar -x -C "$against"
    # buf reads both sides as sources; the include path is relative to each.
    buf breaking proto --against "$against/proto"
    echo "proto: no breaking change against $ref"
    exit 0
  fi
done
echo "proto: no main to compare with, breaking check left out"
