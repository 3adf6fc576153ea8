#!/usr/bin/env bash
# ruff and mypy from an environment of their own; mypy looks at the types of what the tests run with.
set -euo pipefail

"$PYTHON" -m venv "$CI_SCRATCH/lint"
"$CI_SCRATCH/lint/bin/pip" install --quiet 'ruff>=0.14' 'mypy>=1.18'
"$CI_SCRATCH/lint/bin/ruff" check .
"$CI_SCRATCH/lint/bin/mypy" --python-executable "$CI_SCRATCH/test/bin/python"
