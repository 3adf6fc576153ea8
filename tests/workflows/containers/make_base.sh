#!/usr/bin/env bash
# Make the image localhost/debian:bookworm-slim from Debian's packages, where no image registry can be asked; as root.
# Needs Debian's mmdebstrap and podman. It trusts what this machine trusts: local certificates are taken along.
set -euo pipefail
image=localhost/debian:bookworm-slim
podman image exists $image && exit 0

mirror=$(apt-cache policy base-files | grep --only-matching --extended-regexp 'https?://[^ ]+' | grep --invert-match security | head --lines=1)
options=(--mode=root --variant=minbase --include=ca-certificates --dpkgopt=force-unsafe-io)
for folder in doc man locale info; do options+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
shopt -s nullglob
for certificate in /usr/local/share/ca-certificates/*.crt; do
    options+=(--customize-hook="upload '$certificate' '$certificate'")
done
options+=(--customize-hook='chroot "$1" update-ca-certificates')
mmdebstrap --quiet "${options[@]}" bookworm - "$mirror" | podman import --quiet - $image >&2
