#!/usr/bin/env bash
# The environment of the later stages: the installing half of the README's second command.
set -euo pipefail
source .ci/readme.sh

"$PYTHON" -m venv "$CI_SCRATCH/test"
source "$CI_SCRATCH/test/bin/activate"
install=$(readme_commands 2 | sed 's/ *&&.*//')
echo "$install"
bash -euo pipefail -c "$install" | tail -n 1
