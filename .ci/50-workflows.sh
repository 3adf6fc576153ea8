#!/usr/bin/env bash
# The workflow and the images for real: images built, tasks run by hand, through Slurm and in containers. What the tests start they
# end; the images go away with their store.
set -euo pipefail

source "$CI_SCRATCH/test/bin/activate"
trap 'tests/workflows/containers/storage.sh "$CI_SCRATCH/images" remove' EXIT
tests/workflows/containers/build_images.sh "$CI_SCRATCH/images" > "$CI_SCRATCH/images.log" 2>&1 ||
    { tail --lines=50 "$CI_SCRATCH/images.log" >&2; exit 1; }
# A file stays in one process, so that Slurm is started once.
pytest -n auto --dist loadfile --durations=10 --ignore=tests/workflows/galaxy tests/workflows
