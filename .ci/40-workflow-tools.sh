#!/usr/bin/env bash
# What the workflow tests run on: Java, Nextflow, Slurm and the programs that build and run containers. Debian's packages bring
# those that are missing, if this is root; nothing is started, and Nextflow stays in the scratch folder.
set -euo pipefail

missing=()
for program in java:default-jre-headless mvn:maven sbatch:slurm-client slurmctld slurmd munged:munge mmdebstrap buildah podman runc; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
done
if ((${#missing[@]})); then
    ((EUID == 0)) || { echo "not installed: ${missing[*]}; run this as root, or install them" >&2; exit 1; }
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # Daemons are the tests' to start. A policy that is there already stays.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
    fi
    apt-get update -qq
    apt-get install --yes --no-install-recommends -qq -o Dpkg::Use-Pty=0 "${missing[@]}" > "$CI_SCRATCH/apt.log" 2>&1 ||
        { tail --lines=20 "$CI_SCRATCH/apt.log" >&2; exit 1; }
fi
tests/workflows/nextflow/install_nextflow.sh "$CI_SCRATCH/nextflow"
