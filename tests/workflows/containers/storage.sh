#!/usr/bin/env bash
# Give podman and buildah a store of their own in FOLDER, and settings that work for root without systemd, cgroups and bridges.
# usage: eval "$(storage.sh FOLDER)"; afterwards plain `buildah bud` and `podman run` use it. Deleting FOLDER takes all of it away.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)

cat > "$folder/storage.conf" <<CONF
[storage]
driver = "vfs"
graphroot = "$folder/store"
runroot = "$folder/run"
CONF
cat > "$folder/containers.conf" <<CONF
[containers]
netns = "host"
# The runtime may not raise its own limits.
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
echo "export CONTAINERS_STORAGE_CONF=$folder/storage.conf CONTAINERS_CONF=$folder/containers.conf BUILDAH_ISOLATION=chroot DISABLE_HC_SYSTEMD=true"
