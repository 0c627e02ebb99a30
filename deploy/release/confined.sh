#!/bin/sh
# Runs a command in an image's root as compose.yaml would: read-only, without capabilities or new privileges, as the
# image's own user, with memory for /tmp and the home. For machines without an engine that runs containers; as root.
#
#     confined.sh ROOT SETTINGS USER HOME NAME=value… COMMAND…
set -eu
if [ "${CONFINED:-}" != yes ]; then
    CONFINED=yes exec unshare --mount --pid --fork --kill-child "$0" "$@"
fi
root=$1 settings=$2 user=$3 home=$4
shift 4
mount --bind "$root" "$root"
cd "$root"
mount --bind "$settings" etc/queue-monitor/queue-monitor.toml
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
mount -t tmpfs -o "mode=700,uid=$user,gid=$user,nosuid,nodev" tmpfs ".$home"
mount -t proc proc proc
for device in null zero random urandom; do
    : > "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mount --bind /etc/resolv.conf etc/resolv.conf
mount -o remount,ro,bind "$root"
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all --ambient-caps=-all env --ignore-environment --chdir "$home" "$@"
