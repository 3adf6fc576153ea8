#!/usr/bin/env bash
# A stranger's path: `photophore[kit]` on top of the base install of stage 10, a new plugin of each kind, its tests untouched
# (a run from end to end among them), lint and types as its own CI has them.
set -euo pipefail

source "$CI_SCRATCH/base/bin/activate"
pip install --quiet "$CI_SCRATCH/source[kit]" 'ruff>=0.14' 'mypy>=1.18'
mkdir "$CI_SCRATCH/kit"
cd "$CI_SCRATCH/kit"
for kind in encoder index aggregator annotator; do
    photophore plugins new "my-$kind" --kind "$kind" --author 'A Stranger'
    pip install --quiet -e "photophore-my-$kind[test]"
    (cd "photophore-my-$kind" && ruff check --quiet . && mypy && pytest -q)
done
photophore plugins doctor
