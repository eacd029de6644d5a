#!/usr/bin/env bash
# The second half of enter.sh, within the namespaces.
set -euo pipefail

hostname medformer-node
umount --recursive /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
  mkdir "/sys/fs/cgroup/$controller"
  mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
done
mkdir /sys/fs/cgroup/systemd
mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
ip link set lo up
# A node's address may not be a loopback one.
ip address add 10.10.0.2/32 dev lo
# The cluster's Services, its name server among them, also for callers that are no pods.
ip route add 10.96.0.0/16 dev lo src 10.10.0.2
# The kubelet insists on these. It sees files with its values; the machine's own stay.
values=$(mktemp -d)
mount -t tmpfs tmpfs "$values"
echo "nameserver 10.96.0.10" >"$values/resolv.conf"
mount --bind "$values/resolv.conf" /etc/resolv.conf
while read -r setting value; do
  echo "$value" >"$values/$(basename "$setting")"
  mount --bind "$values/$(basename "$setting")" "/proc/sys/$setting"
done <<<"kernel/panic 10
kernel/panic_on_oops 1
vm/overcommit_memory 1"
mount --make-rshared /
export MEDFORMER_NODE_NAMESPACES=1
exec "$@"
