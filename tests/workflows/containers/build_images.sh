#!/usr/bin/env bash
# Build the images of this checkout into a store in FOLDER: build_images.sh FOLDER
# localhost/photophore:0.1.0 is the CPU image; 0.1.0-cuda is built without torch (7 GB), to see that its steps work.
# As root on Debian, with mmdebstrap, buildah, podman and runc; asks Debian's mirror and Python's package index.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$here/../../../pyproject.toml")
eval "$("$here/storage.sh" "$1")"
"$here/make_base.sh"

cd "$here/../../.."
# The format of Docker: that of OCI knows no health check.
build=(buildah bud --quiet --format docker --network host --pull-never)
"${build[@]}" --build-arg BASE=localhost/debian:bookworm-slim --file containers/Dockerfile --tag "localhost/photophore:$version" .
"${build[@]}" --build-arg EXTRA=genes --file containers/Dockerfile.cuda --tag "localhost/photophore:$version-cuda" .
