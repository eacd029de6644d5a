#!/usr/bin/env bash
# Runs a command where a kubelet can run: namespaces of its own (mounts, network with the loopback alone, IPC, host name,
# cgroups) and a cgroup below the caller's. When the command ends, all that it left in the cgroup ends too; mounts and
# interfaces go with their namespaces. Needs root and cgroup v1.
set -euo pipefail

name=medformer-node-$$
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folders=()
while IFS=: read -r _ controllers path; do
  [[ -n $controllers ]] || continue
  folder=/sys/fs/cgroup/${controllers#name=}${path%/}
  [[ -d $folder ]] && mkdir "$folder/$name" && folders+=("$folder/$name")
  if [[ $controllers == cpuset ]]; then
    cat "$folder/cpuset.cpus" >"$folder/$name/cpuset.cpus"
    cat "$folder/cpuset.mems" >"$folder/$name/cpuset.mems"
  fi
done </proc/self/cgroup

left() { find "${folders[@]}" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u; }
leave() {
  local signal pids
  for signal in TERM TERM KILL KILL; do
    pids=$(left)
    [[ -n $pids ]] || break
    kill -s "$signal" $pids 2>/dev/null || true
    sleep 1
  done
  for _ in 1 2 3; do find "${folders[@]}" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
}
trap leave EXIT

(
  for folder in "${folders[@]}"; do echo "$BASHPID" >"$folder/cgroup.procs"; done
  exec unshare --mount --net --ipc --uts --cgroup --propagation private "$here/inside.sh" "$@"
) &
trap 'exit 143' TERM INT
wait $!
