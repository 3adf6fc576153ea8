#!/usr/bin/env bash
# The README's second command, word for word; the workflow tests had a stage of their own.
set -euo pipefail
source .ci/readme.sh

source "$CI_SCRATCH/test/bin/activate"
command=$(readme_commands 2)
echo "$command"
PYTEST_ADDOPTS="--ignore=tests/workflows" PIP_QUIET=1 bash -euo pipefail -c "$command"
