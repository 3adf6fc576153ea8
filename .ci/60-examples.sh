#!/usr/bin/env bash
# Every distribution under docs/examples as its README tells a stranger to use it: installed beside a wheel of Photophore in
# an environment of its own, its tests, its types, and a real annotation.
set -euo pipefail
source .ci/readme.sh

if ! command -v diamond >/dev/null; then
    apt-get update --quiet=2
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --no-install-recommends --yes diamond-aligner >/dev/null
fi
diamond version

scratch=$CI_SCRATCH/examples
mkdir -p "$scratch/source" "$scratch/wheels"
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from=- | tar --extract --directory "$scratch/source"
"$PYTHON" -m venv "$scratch/build"
"$scratch/build/bin/pip" install --quiet 'mypy>=1.18'
"$scratch/build/bin/pip" wheel --quiet --no-deps --wheel-dir "$scratch/wheels" "$scratch/source"

for folder in "$scratch"/source/docs/examples/*/; do
    name=$(basename "$folder")
    echo "-- $name"
    "$PYTHON" -m venv "$scratch/$name"
    (
        source "$scratch/$name/bin/activate"
        pip install --quiet "$scratch"/wheels/*.whl
        cd "$folder"
        PIP_QUIET=1 bash -euo pipefail -c "$(readme_commands 1 README.md)"
        "$scratch/build/bin/mypy" --config-file= --strict --python-executable "$scratch/$name/bin/python" src

        mkdir "$scratch/$name/work"
        python "$OLDPWD/.ci/example_inputs.py" "$scratch/$name/work"
        readme=$PWD/README.md checks=$OLDPWD/.ci/check_example.py
        cd "$scratch/$name/work"
        commands=$(readme_commands 2 "$readme")
        echo "$commands"
        bash -euo pipefail -c "$commands" 2>&1 | tail -n 3
        photophore plugins list | grep --fixed-strings "[$name "
        python "$checks" out "$name"
    )
    rm -rf "${scratch:?}/$name"
done
