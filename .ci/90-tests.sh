#!/usr/bin/env bash
# The README's second command, word for word.
set -euo pipefail
source .ci/readme.sh

source "$CI_SCRATCH/test/bin/activate"
command=$(readme_commands 2)
echo "$command"
PIP_QUIET=1 bash -euo pipefail -c "$command"
