#!/usr/bin/env bash
# The Galaxy tools in a real Galaxy: lint, every test that stands in a tool or beside a workflow, the bytes of the plain command, and a
# person with a browser. What the tests start they end. Pictures of the browser stay in PHOTOPHORE_ARTEFACTS, by default in CI_ARTEFACTS
# or, without that, in work/artefacts.
set -euo pipefail

missing=()
for program in redis-server:redis-server chromium:chromium; do
    command -v "${program%:*}" >/dev/null || missing+=("${program#*:}")
done
if ((${#missing[@]})); then
    ((EUID == 0)) || { echo "not installed: ${missing[*]}; run this as root, or install them" >&2; exit 1; }
    echo "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    # The tests start a server of their own.
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
    fi
    apt-get update -qq
    apt-get install --yes --no-install-recommends -qq -o Dpkg::Use-Pty=0 "${missing[@]}" > "$CI_SCRATCH/apt-galaxy.log" 2>&1 ||
        { tail --lines=20 "$CI_SCRATCH/apt-galaxy.log" >&2; exit 1; }
fi
tests/workflows/galaxy/install_galaxy.sh "$CI_SCRATCH/galaxy"

source "$CI_SCRATCH/test/bin/activate"
export PHOTOPHORE_ARTEFACTS="${PHOTOPHORE_ARTEFACTS:-${CI_ARTEFACTS:-work/artefacts}}"
pytest --durations=10 tests/workflows/galaxy
