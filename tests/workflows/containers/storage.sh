#!/usr/bin/env bash
# Give podman and buildah a store of their own in DIR, and settings that work as root without systemd, cgroups and bridges.
# usage: eval "$(storage.sh DIR)"; afterwards plain `buildah bud` and `podman run` use it. `storage.sh DIR remove` takes it away.
set -euo pipefail
mkdir -p "$1"
dir=$(cd "$1" && pwd)

cat > "$dir/storage.conf" <<CONF
[storage]
driver = "vfs"
graphroot = "$dir/store"
runroot = "$dir/run"
CONF
cat > "$dir/containers.conf" <<CONF
[containers]
netns = "host"
# The runtime may not raise its own limits.
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF

exports="export CONTAINERS_STORAGE_CONF=$dir/storage.conf CONTAINERS_CONF=$dir/containers.conf BUILDAH_ISOLATION=chroot DISABLE_HC_SYSTEMD=true"
if [[ ${2:-} == remove ]]; then
    eval "$exports"
    podman rm --all --force --time 0 >&2
    podman rmi --all --force >&2
    rm -rf "$dir"
else
    echo "$exports"
fi
