#!/usr/bin/env bash
# What the workflow tests run on: Java, Nextflow, Slurm and the programs that build and run containers. Debian's packages bring
# those that are missing, if this is root; nothing is started, and Nextflow stays in the scratch folder.
set -euo pipefail

source .ci/debian.sh
install_missing apt java:default-jre-headless mvn:maven sbatch:slurm-client slurmctld slurmd munged:munge mmdebstrap buildah podman runc
tests/workflows/nextflow/install_nextflow.sh "$CI_SCRATCH/nextflow"
