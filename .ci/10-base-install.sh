#!/usr/bin/env bash
# The README's first command, as a user without any extra runs it: install a wheel, annotate the bundled proteome with the
# default database. Checks that no torch came along, that the installation is small, and that the results are whole.
set -euo pipefail
source .ci/readme.sh
limit_mb=700

# A copy without leftovers of earlier builds: what is not under version control or new must not be needed.
source_copy=$CI_SCRATCH/source
mkdir "$source_copy"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory "$source_copy"

"$PYTHON" -m venv "$CI_SCRATCH/base"
source "$CI_SCRATCH/base/bin/activate"
command=$(readme_commands 1)
echo "$command"
(cd "$source_copy" && bash -euo pipefail -c "$command")

site=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
size_mb=$(du -sm "$site" | cut -f1)
echo "site-packages: $size_mb MB of at most $limit_mb MB"
((size_mb <= limit_mb))
python -c 'import importlib.util, sys; sys.exit("torch came with the base install" if importlib.util.find_spec("torch") else 0)'

python - <<'PYTHON'
import sys, tomllib
from pathlib import Path
from photophore.compiled import library
modules = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["ext-modules"]
missing = [module["name"] for module in modules if library(module["name"]) is None]
sys.exit(f"not compiled: {missing}" if missing else 0)
PYTHON

photophore --version
photophore plugins list
photophore db list
python .ci/check_annotation.py "$source_copy/out" corynebacterium
