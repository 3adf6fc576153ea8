#!/usr/bin/env bash
# The documentation, built strictly and without a network (where this user may make a namespace without one), and checked to be
# complete: every command and option, every public name, nothing from elsewhere.
set -euo pipefail
export NO_MKDOCS_2_WARNING=1

"$PYTHON" -m venv "$CI_SCRATCH/docs"
"$CI_SCRATCH/docs/bin/pip" install --quiet -e '.[docs]'
offline=()
if unshare --net true 2>/dev/null; then offline=(unshare --net); else echo "built with the network at hand: unshare --net is not allowed"; fi
"${offline[@]}" "$CI_SCRATCH/docs/bin/mkdocs" build --strict --quiet --site-dir "$CI_SCRATCH/site"
"$CI_SCRATCH/docs/bin/python" .ci/check_site.py "$CI_SCRATCH/site"
