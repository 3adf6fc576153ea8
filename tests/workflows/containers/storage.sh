#!/usr/bin/env bash
# Give podman and buildah a store of their own in FOLDER, and settings that work for root without systemd, cgroups and bridges.
# usage: eval "$(storage.sh FOLDER)"; afterwards plain `buildah bud` and `podman run` use it. `storage.sh FOLDER remove` takes it away.
set -euo pipefail
mkdir -p "$1"
folder=$(cd "$1" && pwd)

if [[ ${2:-} == remove ]]; then
    # The store is mounted on itself.
    [[ ! -d $folder/store/overlay ]] || umount --quiet --recursive "$folder/store/overlay" || true
    rm -rf "$folder"
    exit 0
fi

# Layers on top of each other, where the kernel lets us; a whole copy of the image for each container, where not.
layers() {
    mkdir -p "$folder/probe/lower" "$folder/probe/upper" "$folder/probe/work" "$folder/probe/merged"
    local driver=vfs
    if mount -t overlay overlay "$folder/probe/merged" \
        -o "lowerdir=$folder/probe/lower,upperdir=$folder/probe/upper,workdir=$folder/probe/work" 2>/dev/null; then
        umount "$folder/probe/merged"
        driver=overlay
    fi
    rm -rf "$folder/probe"
    echo $driver
}
[[ -e $folder/storage.conf ]] || cat > "$folder/storage.conf" <<CONF
[storage]
driver = "$(layers)"
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
