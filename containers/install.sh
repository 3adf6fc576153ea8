#!/bin/sh
# What every image is made of, for Dockerfile and photophore.def alike; runs as root, once a stage: install.sh system | tools | photophore
set -eu
export DEBIAN_FRONTEND=noninteractive PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore

# Install Debian packages, and leave neither lists nor archives.
packages() {
    apt-get update -qq
    apt-get install -qq --yes --no-install-recommends -o Dpkg::Use-Pty=0 "$@"
    rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
}

case "$1" in
system) # what a container runs with; Nextflow needs bash, and ps of procps
    packages bash ca-certificates procps python3
    ;;
tools) # what only the build needs
    packages gcc libc6-dev python3-venv
    ;;
photophore) # from the checkout around this script, into an environment of its own
    source=$(cd "$(dirname "$0")/.." && pwd)
    python3 -m venv /opt/photophore
    # A pip of today; it stays, so that plugins can be added to an image.
    /opt/photophore/bin/pip install --quiet --upgrade pip
    /opt/photophore/bin/pip install --quiet "$source[genes]"
    # Tests and headers that libraries bring along.
    find /opt/photophore -depth -type d \( -name tests -o -name include \) -path '*/site-packages/*' -exec rm -rf {} +
    # A root that cannot be written holds the compiled modules already.
    /opt/photophore/bin/python -m compileall -q /opt/photophore/lib
    ;;
*)
    echo "install.sh: '$1' is no step; system, tools or photophore" >&2
    exit 2
    ;;
esac
