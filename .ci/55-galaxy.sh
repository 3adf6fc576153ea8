#!/usr/bin/env bash
# The Galaxy tools in a real Galaxy: lint, every test that stands in a tool or beside a workflow, the bytes of the plain command, and a
# person with a browser. What the tests start they end. Pictures of the browser stay in PHOTOPHORE_ARTEFACTS, by default in CI_ARTEFACTS
# or, without that, in work/artefacts.
set -euo pipefail

source .ci/debian.sh
install_missing apt-galaxy redis-server chromium
tests/workflows/galaxy/install_galaxy.sh "$CI_SCRATCH/galaxy"

source "$CI_SCRATCH/test/bin/activate"
export PHOTOPHORE_ARTEFACTS="${PHOTOPHORE_ARTEFACTS:-${CI_ARTEFACTS:-work/artefacts}}"
pytest --durations=10 tests/workflows/galaxy
